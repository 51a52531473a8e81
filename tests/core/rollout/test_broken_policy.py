"""A policy file that turns bad in the middle of a canary: the engine goes on with the last good policy."""

import pytest

from core.registry import Registry
from core.rollout import RolloutPhase
from core.settings import SettingsError
from core.settings.policy_source import going_on_with_last_good


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
