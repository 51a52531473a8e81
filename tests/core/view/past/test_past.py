"""The recorded past: a snapshot of then equals the one that was live then."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.clock import utc_now
from core.engine import Engine
from core.errors import NotFoundError, RefusedError
from core.registry import Registry
from core.settings import Settings
from core.state import Lease
from core.telemetry import TelemetryWriter
from core.telemetry.past import PastKey, PastReader, PastWriter
from core.tracking import Runs, RunStatus
from core.training.session import SessionPhase
from core.training.sessions import Sessions
from core.view.past.recorder import COARSE_SECONDS, DocumentRecorder
from core.view.past.replay import RecordedPast
from core.view.source import SnapshotSource
from tests.clocks import HandClock
from tests.waiting import until

T0 = datetime(2026, 3, 2, 3, 4, tzinfo=UTC)
MIRA = Actor("mira", "desk-4", Origin.CONSOLE)
DOCUMENTS = ("engine", "models", "versions", "transitions", "rollouts", "sessions", "alerts", "runs")


@pytest.fixture
def time():
    return HandClock(T0)


@pytest.fixture
def recorder(workspace, time):
    found = DocumentRecorder(workspace, hours=24, clock=time)
    yield found
    found.close()


@pytest.fixture
def register(workspace, time, tmp_path):
    def register(model="spread"):
        folder = tmp_path / "incoming"
        folder.mkdir(exist_ok=True)
        registry = Registry(workspace, clock=time)
        (folder / "model.txt").write_text(f"{model} {len(registry.versions())}", encoding="utf-8")
        return registry.register(model, folder, metrics={"attainment": 0.95}, lineage={}, gates=(), actor=MIRA)

    return register


def shown(snapshot):
    return {part: getattr(snapshot, part) for part in DOCUMENTS}


def n_rows(workspace):
    return len(PastReader(workspace.past_file)._rows("SELECT 1 FROM state"))


def test_every_moment_shows_the_state_of_that_moment(workspace, time, recorder, register):
    """Registrations, moves, sessions, alerts and the engine's lease, each looked at and compared part by part."""
    registry, sessions, alerts, runs = (kind(workspace, clock=time) for kind in (Registry, Sessions, Alerts, Runs))
    live = []
    with Lease.acquire(workspace, MIRA, "headless", clock=time):
        for act in (
            lambda: None,
            register,
            lambda: register("anomaly"),
            lambda: register("spread"),
            lambda: registry.apply(registry.plan_promotion("spread", "1.0.0"), actor=MIRA, reason="passed [review]"),
            lambda: sessions.start(Settings().training, name="nightly", actor=MIRA),
            lambda: sessions.observe(
                "s-0001", "session.running", actor=MIRA, phase=SessionPhase.RUNNING, score=float("1e-300")
            ),
            lambda: alerts.fire("gate_failed", labels={"session": "s-0001"}, summary="coverage", now=time.now),
            lambda: alerts.clear("gate_failed", labels={"session": "s-0001"}, now=time.now),
            lambda: registry.apply(registry.plan_undo("spread"), actor=MIRA),
            lambda: sessions.start(Settings().training, name="again", actor=MIRA),
            lambda: runs.start(name="mine", actor=MIRA, parameters={"depth": 3}, lost_after_seconds=30),
            lambda: time.pass_by(60),  # nothing is heard of it
        ):
            time.pass_by(3)
            act()
            recorder.look()
            live.append((time.now, SnapshotSource(workspace, clock=time, documents_only=True).take()))
    past = RecordedPast(workspace)
    for when, then in live:
        assert shown(past.at(when + timedelta(seconds=2))) == shown(then)
        assert past.at(when).problems == ()
    assert [then.runs[0].status for _, then in live[-2:]] == [RunStatus.RUNNING, RunStatus.LOST]
    *moments, _ = [when for when, _ in live]  # nobody has put its silence on record yet
    assert [past.before(when) for when in moments] == [None, *moments[:-1]]
    assert [past.after(when) for when in moments] == [*moments[1:], None]


def test_an_unchanged_document_is_not_written_again(workspace, time, recorder, register):
    register()
    recorder.look()
    n_before = n_rows(workspace)
    time.pass_by(COARSE_SECONDS)
    recorder.look()
    register("anomaly")
    recorder.look()
    assert n_rows(workspace) == n_before + 5  # the version, its model and its moves, and the two lists they stand in
    DocumentRecorder(workspace, hours=24, clock=time).look()
    assert n_rows(workspace) == n_before + 5


def test_unaudited_changes_are_recorded_in_coarse_steps(workspace, time, recorder):
    """The figures of a rollout change every second; only decisions about it stand in the audit record."""
    recorder.look()
    first = time.now
    for _ in range(2 * int(COARSE_SECONDS)):
        time.pass_by(1)
        with (database := workspace.database("alerts")).transaction():
            database.table("scratch").insert({"seconds": time.now.second})
        recorder.look()
    reader = PastReader(workspace.past_file)
    assert reader.moment_after(first) is None
    assert reader.span_at(time.now) == (first, time.now)


def test_the_audit_log_of_a_past_instant_ends_there(workspace, time, recorder, register):
    register()
    recorder.look()
    then = time.now
    time.pass_by(60)
    register()
    recorder.look()
    past = RecordedPast(workspace)
    assert [record.object for record in past.at(then).audit] == ["spread/1.0.0"]
    assert [record.object for record in past.at(time.now).audit] == ["spread/1.1.0", "spread/1.0.0"]


def test_epochs_and_samples_of_a_past_instant_end_there(workspace, time, recorder):
    sessions = Sessions(workspace, clock=time)
    sessions.start(Settings().training, name="nightly", actor=MIRA)
    sessions.observe("s-0001", "epoch.complete", actor=MIRA, phase=SessionPhase.RUNNING, run_id="r-0001")
    recorder.look()
    with TelemetryWriter(workspace.telemetry_file, clock=time) as telemetry:
        for epoch in range(5):
            telemetry.add_epoch("r-0001", epoch, {"score": epoch / 10}, T0 + timedelta(seconds=epoch))
            telemetry.add("resource.cpu_percent", T0 + timedelta(seconds=epoch), float(epoch))
    then = RecordedPast(workspace).at(T0 + timedelta(seconds=2.5))
    assert [epoch for epoch, _ in then.epochs["r-0001"]["score"]] == [0, 1, 2]
    assert [value for _, value in then.resources["resource.cpu_percent"]] == [0.0, 1.0, 2.0]


def test_an_unrecorded_time_shows_the_last_recorded_state_and_says_so(workspace, time, register):
    for hour in (0, 2):
        time.now = T0 + timedelta(hours=hour)
        recorder = DocumentRecorder(workspace, hours=24, clock=time)
        with Lease.acquire(workspace, MIRA, "headless", clock=time):
            register()
            recorder.look()
        recorder.close()
    between = RecordedPast(workspace).at(T0 + timedelta(hours=1))
    assert [version.version for version in between.versions] == ["1.0.0"]
    assert between.engine is None
    assert "No engine recorded at this time" in between.problems[0]
    assert RecordedPast(workspace).at(T0).engine.user == "mira"


@pytest.mark.parametrize("is_recorded", [False, True], ids=["nothing recorded yet", "before the first"])
def test_an_instant_before_the_past_is_refused_with_its_beginning(workspace, recorder, is_recorded):
    if is_recorded:
        recorder.look()
    words = "it begins at 2026-03-02 03:04:00 UTC" if is_recorded else "nothing is recorded yet"
    with pytest.raises(NotFoundError, match=words):
        RecordedPast(workspace).at(T0 - timedelta(seconds=1))


def test_documents_of_another_form_are_refused_with_a_reason(workspace, recorder):
    recorder.look()
    writer = PastWriter(workspace.past_file)
    writer.write(T0, {PastKey("engine", ""): recorder._stored[PastKey("order", "models")]}, since=T0, is_moment=False)
    writer.close()
    with pytest.raises(RefusedError, match="another version of the program"):
        RecordedPast(workspace).at(T0)


def test_a_running_engine_records_the_past(workspace):
    """The real thread, by the real clock."""
    engine = Engine(workspace, mode="headless", actor=MIRA)
    engine.start()
    until(workspace.past_file.exists, "the first look, which a stop lets come to its end")
    engine.stop()
    past = RecordedPast(workspace)
    assert past.at(utc_now()).engine.user == "mira"
    assert past.at(past.before(utc_now())).audit[-1].verb == "engine.acquire"


def test_a_snapshot_of_documents_only_reads_no_histories(workspace, register):
    register()
    with TelemetryWriter(workspace.telemetry_file) as telemetry:
        telemetry.add("resource.cpu_percent", utc_now(), 1.0)
    whole = SnapshotSource(workspace).take()
    documents = SnapshotSource(workspace, documents_only=True).take()
    unread = frozenset({"audit", "epochs", "last_engine", "resources"})
    assert documents == replace(
        whole, resources={}, audit=(), epochs={}, runs=(), unread=unread, taken_at=documents.taken_at
    )
