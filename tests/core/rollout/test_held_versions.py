"""The holds that rollouts write for the registry: in their own transaction, and in workspaces without holds."""

import json

import pytest

from core.actor import Actor
from core.errors import RefusedError
from core.governance import AuditLog
from core.maintenance.doctor import examine
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


def test_ended_rollouts_are_not_read_again_to_count_them(holds, rollouts, start, lease, ana, monkeypatch):
    rollout = start()
    lease.release()
    rollouts.abort(rollout.rollout_id, actor=ana)
    holds.of("spread")
    read = []
    for name in ("documents.decode_json", "database.fields_of"):
        monkeypatch.setattr(f"core.state.{name}", lambda *found: read.append(found))

    assert holds.of("spread") == {}

    assert read == []


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


@pytest.fixture
def forget_the_rollout(workspace):
    """Make the stored holds those from before an earlier release started the rollout, which wrote none."""

    def forgotten(**more) -> None:
        holds = {"model": "spread", "held": {}, "warnings": {}, "revision": 1} | more
        workspace.database("registry").drop_table("holds")
        workspace.database("registry").table("holds").insert(holds)

    return forgotten


DAMAGED = {"held": ["1.0.0"]}


@pytest.mark.parametrize("stored_holds", [{}, {"n_rollouts": 0}, DAMAGED], ids=["no number", "none", "damaged"])
def test_the_registry_does_not_trust_holds_that_do_not_count_a_rollout(
    registry, holds, start, forget_the_rollout, stored_holds, stable, candidate, ana
):
    rollout = start()
    forget_the_rollout(**stored_holds)
    assert holds.of("spread") == {stable: rollout.rollout_id, candidate: rollout.rollout_id}
    with pytest.raises(RefusedError, match="is in rollout"):
        registry.apply(registry.plan_archive("spread", candidate), actor=ana)
    (kept,) = [found for found in registry.plan_prune("spread", keep=0).candidates if found.version == candidate]
    assert not kept.goes


@pytest.mark.parametrize("stored_holds", [{"n_rollouts": 1}, {}, DAMAGED], ids=["same number", "no number", "damaged"])
def test_the_next_engine_corrects_wrong_holds_and_records_it(
    workspace, rollouts, holds, start, forget_the_rollout, stored_holds, stable, candidate
):
    rollout = start()
    forget_the_rollout(**stored_holds)
    recover(workspace, actor=Actor.engine())
    right = {stable: rollout.rollout_id, candidate: rollout.rollout_id}
    (written,) = stored(workspace)["holds"].values()
    assert (written["held"], written["n_rollouts"]) == (right, 1)
    assert holds.of("spread") == right
    (record,) = [found for found in AuditLog(workspace).tail(9) if found.verb.startswith("holds.")]
    assert record.actor == str(Actor.engine())
    assert right in (record.after.get("held"), record.after.get("spread", {}).get("held"))
    assert rollouts.settle_holds() == []
    assert rollouts.wrong_holds() == []


def test_holds_of_a_model_without_rollouts_are_corrected(workspace, rollouts, holds, stable, forget_the_rollout):
    forget_the_rollout(held={stable: "ro-0001"})
    assert rollouts.settle_holds() == ["spread"]
    assert holds.of("spread") == {}
    assert stored(workspace)["holds"]["1"]["held"] == {}


def test_right_holds_are_left_alone_at_engine_start(workspace, start, lease):
    start()
    before = stored(workspace)["holds"]
    recover(workspace, actor=Actor.engine())
    assert stored(workspace)["holds"] == before
    assert not [found for found in AuditLog(workspace).tail(9) if found.verb.startswith("holds.")]


@pytest.mark.parametrize("stored_holds", [{"n_rollouts": 1}, DAMAGED], ids=["wrong", "damaged"])
def test_the_first_step_and_the_end_of_a_rollout_correct_its_holds(
    rollouts, holds, start, worker, clock, ana, forget_the_rollout, stored_holds, stable, candidate
):
    rollout = start()
    forget_the_rollout(**stored_holds)
    worker.tick(clock.pass_by(1))
    assert rollouts.wrong_holds() == []
    assert set(holds.of("spread")) == {stable, candidate}
    forget_the_rollout(**stored_holds)
    rollouts.abort(rollout.rollout_id, actor=ana)
    worker.tick(clock.pass_by(1))
    assert rollouts.wrong_holds() == []
    assert holds.of("spread") == {}


def test_the_doctor_compares_holds_with_rollouts(workspace, rollouts, start, forget_the_rollout, candidate):
    rollout = start()
    assert examine(workspace) == []
    forget_the_rollout(n_rollouts=1)
    (finding,) = examine(workspace)
    assert finding.file == str(workspace.state_file("registry"))
    assert f"{candidate} is held by {rollout.rollout_id}" in finding.problem
    assert "start the engine" in finding.cure
    forget_the_rollout(**DAMAGED)
    (finding,) = examine(workspace)
    assert "table holds" in finding.problem
    assert "start the engine" in finding.cure
    rollouts.settle_holds()  # as the engine does at its start
    AuditLog(workspace).drain()
    assert examine(workspace) == []


def test_the_doctor_does_not_send_the_engine_to_repair_a_damaged_rollout(workspace, start):
    start()
    workspace.database("registry").table("rollouts").update({"plan": 1})
    damaged, edited = examine(workspace)
    assert "table rollouts" in damaged.problem
    assert "engine" not in damaged.cure
    assert "is not what record" in edited.problem


@pytest.mark.parametrize("strategy", list(Strategy))
def test_every_strategy_holds_its_versions_for_as_long_as_it_is_active(
    holds, rollouts, start, strategy, stable, candidate, ana, lease
):
    rollout = start(strategy)
    assert set(holds.of("spread")) == {stable, candidate}
    lease.release()
    rollouts.abort(rollout.rollout_id, actor=ana)
    assert holds.of("spread") == {}
