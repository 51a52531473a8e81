"""A policy file that turns bad in the middle of a canary: the engine goes on with the last good policy."""

import pytest

from core.registry import Registry
from core.rollout import RolloutPhase
from core.settings import SettingsError
from core.settings.policy_source import going_on_with_last_good, require_policy


@pytest.fixture
def registry(workspace, clock):
    return Registry(workspace, clock=clock)


def test_a_canary_goes_live_by_the_last_good_policy_and_its_record_says_so(
    workspace, registry, start, traffic, worker, clock, candidate
) -> None:
    rollout = start(reason="better on the holdout")
    worker.tick(clock.now)
    (workspace.root / "policy.yaml").write_text("promotion: {min_accuracy: 7}\n")
    with pytest.raises(SettingsError, match="min_accuracy"):
        registry.plan_promotion("spread", candidate)  # a person is refused
    with going_on_with_last_good():
        ended = traffic.flow(rollout.rollout_id, ticks=60)
    assert ended.observed.phase is RolloutPhase.PROMOTED
    assert registry.production("spread").version == candidate
    assert "decided by earlier settings: the present ones cannot be used" in registry.went_live("spread").reason


def test_the_record_says_so_too_when_a_named_policy_is_sound_and_the_workspaces_own_is_not(
    workspace, registry, start, traffic, worker, clock, candidate, tmp_path, monkeypatch
) -> None:
    named = tmp_path / "named.yaml"
    named.write_text("promotion: {required_approvals: 0}\n")
    monkeypatch.setenv("BONDX_CONFIG", str(named))
    require_policy(workspace.root)  # as an engine does when it starts
    rollout = start(reason="better on the holdout")
    worker.tick(clock.now)
    own = workspace.root / "policy.yaml"
    own.write_text("promotion: {min_accuracy: 7}\n")
    with going_on_with_last_good():
        ended = traffic.flow(rollout.rollout_id, ticks=60)
    assert ended.observed.phase is RolloutPhase.PROMOTED
    reason = registry.went_live("spread").reason
    assert "decided by earlier settings: the present ones cannot be used" in reason
    plan = registry.plan_rollback("spread")
    assert not any(str(own) in warning for warning in plan.warnings), "the named policy alone decides about a rollback"
