"""A rollout that cannot be judged: visible in its document and by an alert, and gone with its cause."""

import msgspec
import pytest

from core.alerts import Alerts, AlertState
from core.rollout import Arm, RolloutPhase
from core.rollout.collector import Collector
from core.state.encoding import fields_of
from core.telemetry import TelemetryError
from core.view.source import SnapshotSource


def alerts_of(workspace) -> list[tuple[str, str]]:
    return [(alert.state, alert.summary) for alert in Alerts(workspace).all() if alert.rule == "rollout_stuck"]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        pytest.param(TelemetryError("the store is locked"), "the store is locked", id="an unreadable store"),
        pytest.param(OSError("no such disk"), "no such disk", id="a lost disk"),
        pytest.param(OverflowError("too large"), "internal error, see the engine's log", id="an error of ours"),
    ],
)
def test_whatever_keeps_it_from_being_judged_is_shown_and_it_recovers_by_itself(
    workspace, rollouts, start, worker, source, clock, error, says
) -> None:
    rollout_id = start().rollout_id
    worker.tick(clock.now)
    read = source.read

    def broken(*_, **__):
        raise error

    source.read = broken
    since = clock.pass_by(10)
    for _ in range(3):
        worker.tick(clock.now)
        clock.pass_by(1)
    stuck = rollouts.get(rollout_id)
    assert (stuck.is_stuck, stuck.observed.phase, stuck.observed.share) == (True, RolloutPhase.RUNNING, 0.05)
    assert says in stuck.observed.problem
    assert stuck.observed.problem_since == since
    ((state, summary),) = alerts_of(workspace)
    assert state == AlertState.FIRING
    assert "cannot be judged and keeps 5% of the traffic" in summary
    assert says in summary
    assert stuck.revision == rollouts.get(rollout_id).revision, "an unchanged problem is not written at every tick"

    source.read = read
    source.serve(Arm.CANDIDATE, 100, share=0.05)
    worker.tick(clock.pass_by(60))
    recovered = rollouts.get(rollout_id)
    assert (recovered.is_stuck, recovered.observed.problem_since) == (False, None)
    assert recovered.observed.step == 1, "nothing that came meanwhile was lost"
    assert [state for state, _ in alerts_of(workspace)] == [AlertState.RESOLVED]


def test_an_engine_that_follows_clears_what_the_one_before_reported(
    workspace, rollouts, start, worker, source, clock, registry, monkeypatch
) -> None:
    from core.rollout import RolloutWorker

    rollout_id = start().rollout_id
    worker.tick(clock.now)
    with monkeypatch.context() as patch:
        patch.setattr(Collector, "add", lambda *_: 1 / 0)
        source.serve(Arm.STABLE, 10, share=0.05)
        worker.tick(clock.pass_by(10))
    assert rollouts.get(rollout_id).is_stuck
    RolloutWorker(workspace, source=source, registry=registry, clock=clock).tick(clock.pass_by(10))
    assert not rollouts.get(rollout_id).is_stuck
    assert [state for state, _ in alerts_of(workspace)] == [AlertState.RESOLVED]


def test_a_stuck_rollout_can_be_aborted(workspace, rollouts, start, worker, source, clock, ana) -> None:
    rollout_id = start().rollout_id
    worker.tick(clock.now)
    source.read = lambda *_, **__: 1 / 0
    worker.tick(clock.pass_by(10))
    rollouts.abort(rollout_id, actor=ana)
    worker.tick(clock.pass_by(1))
    assert rollouts.get(rollout_id).observed.phase is RolloutPhase.ABORTED
    assert [state for state, _ in alerts_of(workspace)] == [AlertState.RESOLVED]


def test_a_damaged_document_is_shown_and_delays_no_other(
    workspace, rollouts, start, worker, source, clock, register, ana, plan_of
) -> None:
    from core.registry import Stage

    damaged = start().rollout_id
    register(Stage.PRODUCTION, model="liquidity")
    other = rollouts.start(rollouts.plan("liquidity", register(model="liquidity"), policy=plan_of()), actor=ana)
    worker.tick(clock.now)
    snapshots = SnapshotSource(workspace)
    assert all(not rollout.is_stuck for rollout in snapshots.take().rollouts)
    database = workspace.database("registry")
    with database.transaction():
        stored = database.storage.read()["rollouts"]
        every = {key: fields_of(document) for key, document in stored.items()}
        (key,) = (key for key, fields in every.items() if fields["rollout_id"] == damaged)
        fields = every[key]
        spoilt = fields | {"observed": fields["observed"] | {"share": "much"}}
        database.storage.write_table("rollouts", {**stored, key: spoilt})
    source.serve(Arm.CANDIDATE, 100, share=0.05)
    worker.tick(clock.pass_by(120))
    assert rollouts.get(other.rollout_id).observed.step == 1
    ((state, summary),) = alerts_of(workspace)
    assert state == AlertState.FIRING
    assert damaged in summary
    shown = {rollout.rollout_id: rollout for rollout in snapshots.take().rollouts}
    assert shown[damaged].is_stuck, "a screen must not go on saying that it runs"
    assert not shown[other.rollout_id].is_stuck
    with database.transaction():
        database.storage.write_table("rollouts", {**database.storage.read()["rollouts"], key: stored[key]})
    worker.tick(clock.pass_by(1))
    assert [state for state, _ in alerts_of(workspace)] == [AlertState.RESOLVED]


def test_the_state_of_a_stuck_rollout_is_a_word_of_its_own_on_every_face(
    start, worker, source, clock, rollouts
) -> None:
    from console.commands.rollout import summary
    from console.presentation.rollout_progress import summary_lines
    from console.presentation.rollouts import phase_text
    from widgets.glyphs import UNICODE

    rollout_id = start().rollout_id
    worker.tick(clock.now)
    source.read = lambda *_, **__: 1 / 0
    worker.tick(clock.pass_by(10))
    stuck = rollouts.get(rollout_id)
    assert phase_text(stuck) == "stuck"
    told = "\n".join(line.text for line in summary_lines(stuck, clock.now, UNICODE, absence=None))
    assert "it cannot be judged since 2026-03-02 09:00 UTC" in told
    assert (summary(stuck)["phase"], "division by zero" in summary(stuck)["problem"]) == ("stuck", True)
    assert b"division by zero" in msgspec.json.encode(stuck)
