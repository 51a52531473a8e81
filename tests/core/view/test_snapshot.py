"""Snapshots: one picture of a workspace, taken anew only where something has changed."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.quality.gate import judge
from core.registry import Registry
from core.rollout import Rollouts, rollout
from core.settings import Settings
from core.state import Lease, Workspace
from core.telemetry import TelemetryWriter
from core.training.session import SessionPhase
from core.training.sessions import Sessions
from core.view.parts.documents import SessionsPart
from core.view.source import SnapshotSource, take_snapshot

NOW = datetime(2026, 3, 2, 3, 4, tzinfo=UTC)
MIRA = Actor("mira", "desk-4", Origin.CONSOLE)


@pytest.fixture
def source(workspace) -> SnapshotSource:
    return SnapshotSource(workspace, clock=lambda: NOW)


def register(workspace, tmp_path, model="spread"):
    folder = tmp_path / "incoming"
    folder.mkdir(exist_ok=True)
    (folder / "model.txt").write_text(f"{model} {len(Registry(workspace).versions())}", encoding="utf-8")
    gates = (judge("coverage", 99.0, ">=", 90.0),)
    return Registry(workspace).register(
        model, folder, metrics={"attainment": 0.95}, lineage={"seed": 1}, gates=gates, actor=MIRA
    )


def test_an_empty_workspace_has_an_empty_snapshot(source):
    snapshot = source.take()
    assert (snapshot.models, snapshot.versions, snapshot.sessions, snapshot.alerts) == ((), (), (), ())
    assert snapshot.engine is None
    assert snapshot.problems == ()
    assert snapshot.active_session() is None
    assert snapshot.latest("resource.cpu_percent") is None


def test_without_changes_the_snapshot_is_the_same_object(source):
    assert source.take() is source.take()


def test_a_snapshot_cannot_be_changed(source):
    with pytest.raises(FrozenInstanceError):
        source.take().alerts = ()
    with pytest.raises(TypeError):
        source.take().epochs["r-0001"] = {}


def test_each_part_is_read_when_its_own_file_changes(source, workspace, tmp_path):
    before = source.take()
    register(workspace, tmp_path)
    after = source.take()
    assert [version.key for version in after.versions] == ["spread/1.0.0"]
    assert after.version("spread", "1.0.0") is after.versions[0]
    assert after.sessions is before.sessions
    Sessions(workspace).start(Settings().training, name="nightly", actor=MIRA)
    latest = source.take()
    assert latest.session("s-0001").name == "nightly"
    assert latest.versions is after.versions


def test_transitions_of_a_model_are_listed_newest_first(source, workspace, tmp_path):
    register(workspace, tmp_path)
    for reason in ("passed review", "weekly release"):
        Registry(workspace).apply(Registry(workspace).plan_promotion("spread", "1.0.0"), actor=MIRA, reason=reason)
    assert [move.reason for move in source.take().history("spread")] == ["weekly release", "passed review"]
    assert source.take().history("unknown") == ()


def test_the_next_session_in_the_queue_is_the_active_one_until_another_works(source, workspace):
    sessions = Sessions(workspace)
    for name in ("one", "two", "three"):
        sessions.start(Settings().training, name=name, actor=MIRA)
    sessions.observe("s-0003", "session.finish", actor=Actor.engine(), phase=SessionPhase.FINISHED)
    snapshot = source.take()
    assert [session.session_id for session in snapshot.sessions] == ["s-0003", "s-0002", "s-0001"]
    assert snapshot.active_session().session_id == "s-0001"
    sessions.observe("s-0002", "session.start", actor=Actor.engine(), phase=SessionPhase.RUNNING)
    assert source.take().active_session().session_id == "s-0002"


def test_the_lease_holder_comes_and_goes(source, workspace):
    with Lease.acquire(workspace, MIRA, "headless"):
        assert source.take().engine.user == "mira"
    assert source.take().engine is None


def test_new_samples_are_appended_and_old_samples_dropped(workspace):
    now = NOW
    source = SnapshotSource(workspace, clock=lambda: now, history_seconds=60)
    with TelemetryWriter(workspace.telemetry_file, clock=lambda: now) as telemetry:
        for second in range(50):
            telemetry.add("resource.cpu_percent", NOW - timedelta(seconds=50 - second), float(second))
        telemetry.flush()
        assert [value for _, value in source.take().resources["resource.cpu_percent"]] == list(map(float, range(50)))
        now = NOW + timedelta(seconds=30)
        telemetry.add("resource.cpu_percent", NOW, 99.0)
        telemetry.flush()
        values = [value for _, value in source.take().resources["resource.cpu_percent"]]
    assert values == [*map(float, range(20, 50)), 99.0]
    assert source.take().latest("resource.cpu_percent") == 99.0


def test_epochs_of_the_active_session_are_included_and_others_when_followed(source, workspace):
    sessions = Sessions(workspace)
    sessions.start(Settings().training, name="one", actor=MIRA)
    sessions.observe("s-0001", "epoch.complete", actor=Actor.engine(), run_id="r-0001", phase=SessionPhase.RUNNING)
    with TelemetryWriter(workspace.telemetry_file) as telemetry:
        for run_id in ("r-0001", "r-0000"):
            telemetry.add_epoch(run_id, 1, {"score": 0.9}, NOW)
    assert dict(source.take().epochs["r-0001"]) == {"score": ((1, 0.9),)}
    assert set(source.take().epochs) == {"r-0001"}
    source.follow(["r-0000"])
    assert set(source.take().epochs) == {"r-0000", "r-0001"}


def test_audit_records_are_listed_newest_first(source, workspace):
    Sessions(workspace).start(Settings().training, name="one", actor=MIRA)
    Sessions(workspace).start(Settings().training, name="two", actor=MIRA)
    assert [record.object for record in source.take().audit] == ["s-0002", "s-0001"]


def test_only_the_parts_that_are_asked_for_are_read(workspace):
    Sessions(workspace).start(Settings().training, name="nightly", actor=MIRA)
    snapshot = SnapshotSource(workspace, only=(SessionsPart,)).take()
    assert [session.session_id for session in snapshot.sessions] == ["s-0001"]
    assert snapshot.audit == ()


def test_taking_a_snapshot_writes_nothing(workspace):
    before = sorted(workspace.root.rglob("*"))
    SnapshotSource(workspace).take()
    assert sorted(workspace.root.rglob("*")) == before


def test_a_damaged_file_is_a_problem_and_the_last_good_state_is_kept(source, workspace, tmp_path):
    register(workspace, tmp_path)
    good = source.take()
    file = workspace.state_file("registry")
    content = file.read_bytes()
    file.write_bytes(b"{ torn")
    damaged = source.take()
    assert damaged.versions == good.versions
    assert "registry.json" in damaged.problems[0]
    assert source.take() is damaged
    file.write_bytes(content)
    assert source.take().problems == ()


def test_alerts_of_another_process_arrive(source, workspace):
    source.take()
    code = (
        "import sys; from datetime import datetime, UTC; from pathlib import Path; from core.state import Workspace; "
        "from core.alerts import Alerts; Alerts(Workspace.open(Path(sys.argv[1]))).fire('hash_mismatch', "
        "labels={'model': 'spread'}, summary='x', now=datetime.now(UTC))"
    )
    subprocess.run([sys.executable, "-c", code, str(workspace.root)], check=True)
    assert [alert.rule for alert in source.take().alerts] == ["hash_mismatch"]


def test_repeated_calls_share_one_cache(workspace):
    assert take_snapshot(workspace) is take_snapshot(Workspace.open(workspace.root))


def test_a_snapshot_loads_nothing_heavy():
    heavy = "pandas", "numpy", "scipy", "sklearn", "lightgbm", "pyarrow", "textual", "rich"
    code = (
        "import sys, tempfile; from pathlib import Path; from core.state import Workspace; "
        "from core.view.source import take_snapshot; "
        "take_snapshot(Workspace.create(Path(tempfile.mkdtemp()), settings_text='')); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    assert loaded == "[]"


def test_alerts_are_part_of_the_snapshot(source, workspace):
    Alerts(workspace).fire("gate_failed", labels={"gate": "coverage"}, summary="coverage failed", now=NOW)
    assert source.take().alerts[0].summary == "coverage failed"


def test_rollouts_are_listed_newest_first_and_found_by_model(source, workspace, tmp_path):
    for _ in range(2):
        register(workspace, tmp_path)
    registry, rollouts = Registry(workspace), Rollouts(workspace)
    for version in ("1.0.0", "1.0.0", "1.1.0"):
        registry.apply(registry.plan_promotion("spread", version), actor=MIRA)
    assert source.take().rollouts == ()
    for _ in range(2):
        started = rollouts.start(rollouts.plan("spread", "1.1.0"), actor=MIRA)
        first = source.take()
        assert first.active_rollout("spread") == first.rollout(started.rollout_id) == started
        rollouts.save(started, msgspec.structs.replace(started.observed, phase=rollout.RolloutPhase.ABORTED))
    latest = source.take()
    assert [rollout.rollout_id for rollout in latest.rollouts] == ["ro-0002", "ro-0001"]
    assert latest.active_rollout("spread") is None
    assert latest.models is first.models
