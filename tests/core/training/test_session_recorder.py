import json

import pytest

from core.actor import Actor
from core.alerts import Alerts, AlertState
from core.quality.gate import judge
from core.settings import ModelSettings, TrainingSettings
from core.telemetry import TelemetryReader, TelemetryWriter
from core.tracking import Runs
from core.training.errors import TrainingError
from core.training.scores import EpochScore, EpochScores
from core.training.session import SessionPhase
from core.training.session_recorder import SessionRecorder
from core.training.sessions import Sessions
from core.training.wire import EpochDone, Prepared
from tests.clocks import HandClock
from tests.epoch_records import an_epoch
from tests.judged_gates import DENIED, OF_A_COLUMN, TOLD

SCORED = EpochScore(0.95, 0.99)


@pytest.fixture
def telemetry(workspace):
    with TelemetryWriter(workspace.telemetry_file) as writer:
        yield writer


@pytest.fixture
def alerts(workspace):
    return Alerts(workspace)


@pytest.fixture
def recorder(workspace, telemetry, alerts):
    return SessionRecorder(workspace, telemetry, alerts, actor=Actor.engine())


@pytest.fixture
def session(workspace, recorder, person):
    return recorder.begin(Sessions(workspace).start(TrainingSettings(max_epochs=10), name="", actor=person))


@pytest.fixture
def done(workspace, recorder, session):
    def make(record):
        folder = recorder.files.checkpoints_of(session) / f"epoch_{record.epoch:04d}"
        return EpochDone(record=record, checkpoint=str(folder), checkpoint_sha256="1" * 64, stage_seconds={})

    return make


def epochs_in(telemetry, workspace, session):
    telemetry.flush()
    return [epoch for epoch, _ in TelemetryReader(workspace.telemetry_file).epochs(session.run_id).get("score", ())]


def test_an_epoch_is_in_document_report_metrics_and_dashboard(workspace, recorder, telemetry, session, done):
    session = recorder.epoch_done(session, done(an_epoch(1)), EpochScores([SCORED]), [2.0])
    observed = session.observed
    assert (observed.phase, observed.epoch, observed.best_epoch, observed.score) == (SessionPhase.RUNNING, 1, 1, 0.95)
    assert (observed.trained_seconds, observed.eta_seconds) == (2.0, 18.0)
    assert observed.checkpoint == "artifacts/.checkpoints/s-0001/epoch_0001"
    assert recorder.files.read_epoch(session, 1) == an_epoch(1)
    assert epochs_in(telemetry, workspace, session) == [1]
    assert (workspace.reports_dir / "s-0001" / "dashboard_metrics.json").is_file()


def test_a_session_s_run_belongs_to_its_experiment_and_names_its_algorithms(workspace, recorder, person):
    models = {"spread": ModelSettings(algorithm="lightgbm"), "anomaly": ModelSettings()}
    sessions = Sessions(workspace)
    recorder.begin(sessions.start(TrainingSettings(), name="", actor=person))
    recorder.begin(sessions.start(TrainingSettings(models=models, experiment_name="night desk"), name="", actor=person))

    runs = Runs(workspace)
    assert [run.tags for run in runs.all()] == [
        {"experiment_name": "bonds", "model_type": "auto"},
        {"experiment_name": "night desk", "model_type": "auto, lightgbm"},
    ]
    assert [run.run_id for run in runs.search("experiment = 'night desk' and model_type like '%lightgbm%'")] == [
        "r-0002"
    ]


def test_an_epoch_left_unrecorded_by_a_crash_is_recorded_when_the_session_resumes(recorder, session, done):
    found = done(an_epoch(3))
    prepared = Prepared(
        history=(SCORED,) * 3,
        record=found.record,
        checkpoint=found.checkpoint,
        checkpoint_sha256=found.checkpoint_sha256,
        damaged=(),
    )
    session = recorder.taken_up(session, prepared, EpochScores(prepared.history))
    assert (session.observed.epoch, session.observed.eta_seconds) == (3, None)
    assert recorder.files.read_epoch(session, 3) == found.record


def test_metrics_lost_uncommitted_with_an_engine_are_written_again(workspace, recorder, telemetry, session, done):
    session = recorder.epoch_done(session, done(an_epoch(1)), EpochScores([SCORED]), [2.0])
    telemetry._epochs.clear()  # what kill -9 does to the last second
    here = done(an_epoch(1))
    prepared = Prepared(
        history=(SCORED,),
        record=here.record,
        checkpoint=here.checkpoint,
        checkpoint_sha256=here.checkpoint_sha256,
        damaged=(),
    )
    recorder.taken_up(session, prepared, EpochScores(prepared.history))
    assert epochs_in(telemetry, workspace, session) == [1]


def test_a_damaged_checkpoint_raises_an_alert(recorder, alerts, session):
    nothing = Prepared(
        history=(), record=None, checkpoint=None, checkpoint_sha256=None, damaged=("epoch_0002: forged",)
    )
    recorder.taken_up(session, nothing, EpochScores())
    (alert,) = alerts.open()
    assert (alert.rule, alert.summary) == ("hash_mismatch", "epoch_0002: forged")


def test_a_session_is_failing_until_an_epoch_ends(recorder, session, done):
    failed = recorder.failed_attempt(session, TrainingError("the scheduler does not answer"), attempt=1)
    assert failed.observed.is_failing
    seen = recorder.epoch_done(failed, done(an_epoch(1)), EpochScores([SCORED]), [2.0]).observed
    assert not seen.is_failing
    assert (seen.n_failed_epochs, seen.failure) == (1, "the scheduler does not answer"), "they stay on record"


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def epochs(workspace, telemetry, alerts, session, done, clock):
    """Record epochs, each after some seconds."""
    recorder = SessionRecorder(workspace, telemetry, alerts, actor=Actor.engine(), clock=clock)

    def record(*records, seconds):
        seen = session
        for each in records:
            clock.pass_by(seconds)
            seen = recorder.epoch_done(
                seen, done(each), EpochScores([EpochScore(each.score, each.quality_score)]), [1.0]
            )
        return recorder, seen

    return record


def a_refused_draw(epoch, **changes):
    failed = judge("coverage", 80.0, ">=", 90.0)
    return an_epoch(epoch, learned=False, score=None, metrics={}, gates=(failed,), refusal="coverage", **changes)


def test_a_gate_that_fails_for_a_minute_raises_an_alert_until_it_passes_for_five(epochs, alerts):
    _, session = epochs(a_refused_draw(1), seconds=1)
    assert (session.observed.n_rejected_epochs, session.observed.best_epoch) == (1, None)
    assert alerts.open() == []
    epochs(a_refused_draw(2), seconds=59)
    assert alerts.open() == []
    epochs(a_refused_draw(3), seconds=1)
    assert [alert.rule for alert in alerts.open()] == ["gate_failed"]
    epochs(an_epoch(4), a_refused_draw(5), an_epoch(6), seconds=1)
    epochs(an_epoch(7), seconds=299)
    assert [alert.rule for alert in alerts.open()] == ["gate_failed"]
    epochs(an_epoch(8), seconds=1)
    assert [alert.state for alert in alerts.all()] == [AlertState.RESOLVED]


def test_a_failed_draw_now_and_then_is_no_alert(epochs, alerts):
    epochs(*(a_refused_draw(n, quality_score=0.5) if n % 3 else an_epoch(n) for n in range(1, 200)), seconds=1)
    assert alerts.all() == []


@pytest.mark.parametrize("ends", [False, True])
def test_alerts_and_the_audit_log_tell_nothing_of_a_column_that_is_denied_while_a_session_trains(
    epochs, alerts, workspace, ends
):
    workspace.settings_file.write_text(DENIED)
    refusal = f"index_median: {OF_A_COLUMN.reason}"
    drawn = an_epoch(1, learned=False, score=None, metrics={}, gates=(OF_A_COLUMN,), refusal=refusal)
    recorder, session = epochs(drawn, seconds=61)
    recorder.paused(session) if ends else epochs(drawn, seconds=61)
    (alert,) = [alert for alert in alerts.open() if alert.rule == "gate_failed"]
    assert "index_median outside the limit" in alert.summary
    assert TOLD not in f"{alert} {workspace.audit_dir.joinpath('audit.jsonl').read_text()}"
    assert session.observed.gates[0].value == OF_A_COLUMN.value


@pytest.mark.parametrize("end", ["stopped", "paused"])
def test_the_last_draw_of_a_session_waits_for_no_later_draw(epochs, alerts, end):
    recorder, session = epochs(a_refused_draw(1, quality_score=0.5), seconds=1)
    getattr(recorder, end)(session)
    assert {alert.rule for alert in alerts.open()} == {"gate_failed", "quality_low"}


def test_a_session_that_ends_on_a_good_draw_leaves_no_alert(epochs, alerts):
    epochs(a_refused_draw(1), a_refused_draw(2), seconds=60)
    recorder, session = epochs(an_epoch(3), seconds=1)
    assert [alert.rule for alert in alerts.open()] == ["gate_failed"]
    recorder.stopped(session)
    assert alerts.open() == []


def test_low_attainment_and_low_quality_raise_alerts_that_resolve(epochs, alerts):
    epochs(*(an_epoch(epoch, score=0.5, quality_score=0.5) for epoch in (6, 7)), seconds=60)
    assert {alert.rule for alert in alerts.open()} == {"accuracy_low", "quality_low"}
    epochs(*(an_epoch(epoch) for epoch in (8, 9)), seconds=300)
    assert {alert.state for alert in alerts.all()} == {AlertState.RESOLVED}


def test_a_loss_that_diverged_is_named_by_the_session_and_by_its_run(workspace, recorder, telemetry, session, done):
    session = recorder.epoch_done(
        session, done(an_epoch(1, metrics={"spread.loss": 2.0})), EpochScores([EpochScore(0.9, 0.9)]), [1.0]
    )
    assert session.observed.diverged == ()
    diverged = an_epoch(2, metrics={}, unmeasured=("spread.auc", "spread.loss"))
    session = recorder.epoch_done(session, done(diverged), EpochScores([EpochScore(0.9, 0.9)] * 2), [1.0])
    telemetry.flush()

    assert session.observed.diverged == ("spread.loss",)
    run = Runs(workspace).get(session.run_id)
    assert (run.diverged, run.undefined) == (("spread.loss",), ("spread.auc",))
    assert TelemetryReader(workspace.telemetry_file).unmeasured(run.run_id) == ("spread.auc", "spread.loss")
    assert recorder.files.read_epoch(session, 2) == diverged


def test_a_dashboard_does_not_grow_with_the_session_and_is_written_at_rest(workspace, recorder, session, done):
    file = workspace.reports_dir / "s-0001" / "dashboard_metrics.json"
    sizes = {}
    for n_epochs in (400, 100_000):
        recorder.files.write_dashboard(session, EpochScores([SCORED] * n_epochs), [])
        sizes[n_epochs] = file.stat().st_size
    assert sizes[100_000] < 1.1 * sizes[400]
    document = json.loads(file.read_bytes())
    assert document["n_epochs_done"] == 100_000
    assert document["history"]["epoch"][-200:] == [*range(99_801, 100_001)]
    assert len(document["history"]["score"]) == len(document["history"]["epoch"]) <= 400


def test_a_dashboard_is_written_once_in_five_seconds_and_again_at_rest(workspace, telemetry, alerts, session, done):
    clock = HandClock()
    recorder = SessionRecorder(workspace, telemetry, alerts, actor=Actor.engine(), clock=clock)

    def epoch_shown() -> int:
        file = workspace.reports_dir / "s-0001" / "dashboard_metrics.json"
        return json.loads(file.read_bytes())["history"]["epoch"][-1]

    for epoch, shown in ((1, 1), (2, 1), (3, 3)):
        recorder.epoch_done(session, done(an_epoch(epoch)), EpochScores([SCORED] * epoch), [2.0])
        assert epoch_shown() == shown
        clock.pass_by(3)
    recorder.epoch_done(session, done(an_epoch(4)), EpochScores([SCORED] * 4), [2.0])
    recorder.paused(session)
    assert epoch_shown() == 4
