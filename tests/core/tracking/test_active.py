"""Runs logged by a process: what is stored, and what happens when the process falls silent."""

import os
import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core.actor import Actor, Origin
from core.clock import utc_now
from core.errors import UsageError
from core.state import Workspace
from core.telemetry import TelemetryReader
from core.tracking import ParameterChangedError, Runs, RunStatus, track
from core.tracking.heartbeat import Heartbeat, last_beats
from tests.waiting import until

ANA = Actor("ana", "desk", Origin.API)
LOST_AFTER = timedelta(seconds=3)
FAST = "policy: {tracking: {heartbeat_seconds: 0.1, lost_after_seconds: 3}}\n"


@pytest.fixture
def settings_text() -> str:
    return FAST


def test_logged_values_are_stored_with_automatic_steps(workspace: Workspace, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("good")
    with track(workspace, "mine", parameters={"depth": 6}, tags={"owner": "ana"}, actor=ANA) as run:
        for loss in (0.5, 0.4):
            run.log_metric("loss", loss)
        run.log_metrics({"mae": 0.2, "loss": 0.3}, step=7)
        run.log_parameters({"rate": 0.1})
        run.log_artifact(notes)
        run.log_data({"train": "ab12"})
        run.set_tags({"desk": "credit", "owner": ""})
    runs = Runs(workspace)
    kept = runs.get(run.run_id)
    assert (kept.status, kept.metrics) == (RunStatus.FINISHED, {"loss": 0.3, "mae": 0.2})
    assert runs.metric_history(run.run_id)["loss"] == [(0, 0.5), (1, 0.4), (7, 0.3)]
    assert (kept.parameters, kept.tags) == ({"depth": 6, "rate": 0.1}, {"desk": "credit"})
    assert (kept.data_hashes, kept.artifacts[0].path) == ({"train": "ab12"}, notes.as_posix())


def test_parts_of_a_run_are_runs_that_name_their_parent(workspace: Workspace) -> None:
    with track(workspace, "search", actor=ANA) as search:
        for fold in range(2):
            with search.child(f"fold {fold}", tags={"fold": str(fold)}) as part:
                part.log_metric("mae", fold / 10)
    runs = Runs(workspace)
    assert [(part.name, part.metrics) for part in runs.children(search.run_id)] == [
        ("fold 0", {"mae": 0.0}),
        ("fold 1", {"mae": 0.1}),
    ]
    found = runs.search(f"parent_id = '{search.run_id}' and metrics.mae > 0.05")
    assert [part.name for part in found] == ["fold 1"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(ValueError("no data"), RunStatus.FAILED, id="an error"),
        pytest.param(KeyboardInterrupt(), RunStatus.STOPPED, id="Ctrl-C"),
    ],
)
def test_a_run_ends_as_its_block_does(workspace: Workspace, error: BaseException, status: RunStatus) -> None:
    run = track(workspace, "mine", actor=ANA)

    def train() -> None:
        with run:
            run.log_metric("loss", 0.5)
            raise error

    with pytest.raises(type(error)):
        train()
    kept = Runs(workspace).get(run.run_id)
    assert (kept.status, kept.metrics) == (status, {"loss": 0.5})


def test_a_parameter_cannot_change(workspace: Workspace) -> None:
    with track(workspace, "mine", parameters={"depth": 6}, actor=ANA) as run:
        run.log_parameters({"depth": 6})
        with pytest.raises(ParameterChangedError, match="has depth = 6 already, so it cannot become 7"):
            run.log_parameters({"depth": 7})


@pytest.mark.parametrize("value", ["low", None, [1, 2], 10**400], ids=["text", "nothing", "a list", "beyond floats"])
def test_a_metric_is_a_number(workspace: Workspace, value) -> None:
    with track(workspace, "mine", actor=ANA) as run, pytest.raises(UsageError, match="a metric must be a number"):
        run.log_metric("loss", value)


def test_nothing_is_logged_to_a_run_that_has_ended(workspace: Workspace) -> None:
    run = track(workspace, "mine", actor=ANA)
    assert run.end().status is RunStatus.FINISHED
    assert run.end().status is RunStatus.FINISHED
    with pytest.raises(UsageError, match="has ended"):
        run.log_metric("loss", 0.5)


def test_a_policy_may_require_tags(workspace: Workspace) -> None:
    (workspace.root / "policy.yaml").write_text("tracking: {required_tags: [owner, desk]}\n")
    with pytest.raises(UsageError, match="requires the tags desk; give each a value"):
        track(workspace, "mine", tags={"owner": "ana"}, actor=ANA)
    assert Runs(workspace).all() == []


def test_threads_may_share_a_run(workspace: Workspace) -> None:
    with track(workspace, "mine", actor=ANA) as run:
        threads = [
            threading.Thread(target=lambda n=n: [run.log_metric(f"m{n}", i) for i in range(200)]) for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    history = Runs(workspace).metric_history(run.run_id)
    assert {name: len(points) for name, points in history.items()} == {f"m{n}": 200 for n in range(4)}


SCRIPT = """
import sys
from pathlib import Path
from core.state import Workspace
from core.tracking import track
with track(Workspace.open(Path(sys.argv[1])), "elsewhere") as run:
    run.log_metric("loss", 0.5)
    print(run.run_id, flush=True)
    sys.stdin.read()
"""


def last_beat(workspace: Workspace, run_id: str) -> datetime:
    return last_beats(TelemetryReader(workspace.telemetry_file))[run_id]


def status_just_before_it_counts_as_silent(workspace: Workspace, run_id: str) -> RunStatus:
    """By a clock of our own: how long ago the last sign of life was depends on how busy the machine is."""
    then = last_beat(workspace, run_id) + LOST_AFTER - timedelta(milliseconds=1)
    return Runs(workspace, clock=lambda: then).get(run_id).status


def test_another_process_is_shown_running_and_lost_when_it_falls_silent(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "anywhere"
    folder.mkdir()
    command = [sys.executable, "-c", SCRIPT, str(workspace.root)]
    paths = os.pathsep.join(filter(None, sys.path))
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    ) as process:
        run_id = process.stdout.readline().strip()
        runs = Runs(workspace)
        until(lambda: runs.get(run_id).metrics == {"loss": 0.5}, "its metric")
        until(lambda: last_beat(workspace, run_id) > runs.get(run_id).started_at, "a sign of life")
        assert status_just_before_it_counts_as_silent(workspace, run_id) is RunStatus.RUNNING
        process.send_signal(signal.SIGSTOP)
        until(lambda: runs.get(run_id).status is RunStatus.LOST, "the silence")
        (lost,) = runs.settle(actor=Actor.engine())
        assert (lost.status, lost.run_id) == (RunStatus.LOST, run_id)
        assert runs.settle(actor=Actor.engine()) == []
        process.send_signal(signal.SIGCONT)
        until(lambda: runs.settle(actor=Actor.engine()), "its voice")
        assert status_just_before_it_counts_as_silent(workspace, run_id) is RunStatus.RUNNING
        process.kill()


def test_a_process_that_was_only_suspended_still_ends_its_run(workspace: Workspace) -> None:
    run = track(workspace, "mine", actor=ANA)
    Runs(workspace).finish(run.run_id, RunStatus.LOST, actor=Actor.engine())
    assert run.end().status is RunStatus.FINISHED


def test_a_run_of_an_engine_is_never_called_silent(workspace: Workspace) -> None:
    later = Runs(workspace, clock=lambda: utc_now() + timedelta(days=9))
    run = Runs(workspace).start(name="nightly", actor=ANA, session_id="s-0001")
    assert later.get(run.run_id).status is RunStatus.RUNNING
    assert later.settle(actor=ANA) == []


def test_heartbeats_are_not_metrics(workspace: Workspace) -> None:
    with track(workspace, "mine", actor=ANA) as run:
        run.log_metric("loss", 0.5)
    assert set(Runs(workspace).metric_history(run.run_id)) == {"loss"}


def test_a_heartbeat_is_sent_for_each_run_until_it_is_removed() -> None:
    heard: list[str] = []
    heartbeat = Heartbeat(heard.append, 0.01)
    heartbeat.add("a")
    heartbeat.add("b")
    until(lambda: heard.count("b") > 3, "beats")
    heartbeat.remove("a")
    n = heard.count("a")
    until(lambda: heard.count("b") > n + 5, "more beats")
    heartbeat.stop()
    assert heard.count("a") <= n + 1
