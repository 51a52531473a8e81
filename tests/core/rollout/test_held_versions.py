"""The holds that rollouts write for the registry: in their own transaction, and in workspaces without holds."""

import json

import pytest

from core.actor import Actor
from core.errors import RefusedError
from core.maintenance.startup_recovery import recover
from core.registry import Registry
from core.registry.holds import Holds
from core.rollout import RolloutPhase, Rollouts, Strategy
from core.state import Workspace


@pytest.fixture
def holds(workspace) -> Holds:
    return Holds(workspace.database("registry"))


@pytest.fixture
def forget_holds(workspace):
    """Make the workspace one of a release that wrote no holds."""
    return lambda: workspace.database("registry").drop_table("holds")


def test_a_rollout_holds_its_two_versions_from_start_to_end(
    holds, rollouts, start, traffic, worker, clock, stable, candidate
):
    assert holds.of("spread") == {}
    rollout = start()
    assert holds.of("spread") == {stable: rollout.rollout_id, candidate: rollout.rollout_id}
    assert holds.of("other") == {}
    worker.tick(clock.now)
    traffic.flow(rollout.rollout_id, ticks=60)
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.PROMOTED
    assert holds.of("spread") == {}


def test_an_abort_without_an_engine_releases_immediately(holds, rollouts, start, lease, ana):
    rollout = start()
    lease.release()
    rollouts.abort(rollout.rollout_id, actor=ana)
    assert holds.of("spread") == {}


def test_what_is_observed_in_between_writes_no_holds(workspace, holds, start, traffic, worker, clock):
    rollout = start()
    worker.tick(clock.now)
    before = stored(workspace)["holds"]
    traffic.flow(rollout.rollout_id, ticks=1)
    assert stored(workspace)["holds"] == before


def test_a_failed_start_holds_nothing(workspace, holds, rollouts, start, monkeypatch):
    def fail(*_args, **_kwargs):
        raise RuntimeError("the disk")

    monkeypatch.setattr("core.governance.outbox.AuditedChange.record", fail)
    with pytest.raises(RuntimeError):
        start()
    assert holds.of("spread") == {}
    assert rollouts.all() == []


def stored(workspace: Workspace) -> dict:
    return json.loads(workspace.state_file("registry").read_text())


def test_an_undo_does_not_take_a_version_out_of_its_rollout(registry, start, candidate, ana):
    allowed = registry.plan_undo("spread")
    assert allowed.changes[0].version == candidate
    rollout = start()

    refused = registry.plan_undo("spread")

    assert (
        refused.refusal
        == f"spread {candidate} is in rollout {rollout.rollout_id}; abort the rollout first, or let it end."
    )
    with pytest.raises(RefusedError, match="is in rollout"):
        registry.apply(allowed, actor=ana)  # planned before the rollout began
    assert registry.get("spread", candidate).stage == "Staging"


def test_versions_of_an_active_rollout_are_held_in_a_workspace_of_an_earlier_release(
    registry, holds, start, forget_holds, stable, candidate, ana
):
    rollout = start()
    forget_holds()
    assert not holds.is_written("spread")
    assert holds.of("spread") == {stable: rollout.rollout_id, candidate: rollout.rollout_id}
    refusal = f"spread {candidate} is in rollout {rollout.rollout_id}"
    assert refusal in registry.plan_archive("spread", candidate).refusal
    with pytest.raises(RefusedError, match="is in rollout"):
        registry.apply(registry.plan_archive("spread", candidate), actor=ana)


def test_the_next_engine_writes_the_holds_of_an_earlier_release(
    workspace, holds, start, forget_holds, stable, candidate, lease
):
    rollout = start()
    forget_holds()
    recover(workspace, actor=Actor.engine())
    assert Rollouts(workspace).settle_holds() == []
    (written,) = stored(workspace)["holds"].values()
    assert written["held"] == {stable: rollout.rollout_id, candidate: rollout.rollout_id}
    assert holds.is_written("spread")


def test_a_rollout_of_an_earlier_release_that_ends_now_releases_its_versions(
    holds, rollouts, start, forget_holds, ana, lease
):
    rollout = start()
    forget_holds()
    lease.release()
    rollouts.abort(rollout.rollout_id, actor=ana)
    assert holds.is_written("spread")
    assert holds.of("spread") == {}


def test_what_an_earlier_release_rolled_back_is_warned_of_in_the_same_words(
    registry: Registry, start, traffic, worker, clock, forget_holds, candidate
):
    rollout = start()
    worker.tick(clock.now)
    traffic.flow(rollout.rollout_id, ticks=60, candidate=0.2)
    said = registry.plan_promotion("spread", candidate).warnings
    forget_holds()
    assert registry.plan_promotion("spread", candidate).warnings == said
    assert said[0].startswith(f"{rollout.rollout_id} rolled back {candidate} at 2026-03-02 09:")


@pytest.mark.parametrize("strategy", list(Strategy))
def test_every_strategy_holds_its_versions_for_as_long_as_it_is_active(
    holds, rollouts, start, strategy, stable, candidate, ana, lease
):
    rollout = start(strategy)
    assert set(holds.of("spread")) == {stable, candidate}
    lease.release()
    rollouts.abort(rollout.rollout_id, actor=ana)
    assert holds.of("spread") == {}
