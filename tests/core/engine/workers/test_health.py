"""The current state of the engine, at the top of the workspace."""

import json
import shutil
import threading
from datetime import timedelta

import pytest

from console.cli.main import main
from core.engine import Engine
from core.engine.worker import WorkerThread
from core.engine.workers import WORKERS
from core.engine.workers.change_notice import ChangeNotice
from core.engine.workers.health import HealthReport
from core.errors import NotFoundError
from core.maintenance.system_health import HEALTH_REPORT, WorkerActivity, read_health
from core.settings import TrainingSettings
from core.training.trainer import Trainer
from tests.waiting import until


def report_of(workspace):
    return json.loads((workspace.root / HEALTH_REPORT).read_bytes())


class Fragile:
    """A worker whose every step fails."""

    name = "fragile"
    watches = frozenset()

    def __init__(self):
        self.wake = threading.Event()

    def step(self):
        raise ValueError("no luck")

    def stop(self):
        return

    def end(self, *, after_failure):
        return


def test_the_report_of_a_running_engine_names_every_worker_and_the_sessions_that_have_not_ended(
    workspace, sessions, person
):
    engine = Engine(workspace, mode="headless", actor=person)
    engine.start()
    file, every = workspace.root / HEALTH_REPORT, {Trainer.name, ChangeNotice.name, *(each.name for each in WORKERS)}

    def all_run():
        """Some threads may begin after the first report."""
        report = report_of(workspace) if file.exists() else None
        return report and report["engine"]["state"] == "running" and report["workers"].keys() >= every

    try:
        until(all_run, "a report of every worker")
    finally:
        engine.stop(0)
    report = report_of(workspace)
    assert report["engine"]["state"] == "stopped"
    assert report["workers"].keys() == every
    assert {state["activity"] for state in report["workers"].values()} <= {"working", "waiting", "stopped"}
    assert report["workers"]["health"]["activity"] == "stopped"


def test_it_says_which_worker_fails_how_often_and_why(workspace, context, capsys):
    context.workers.failed("fragile", ValueError("no luck"))
    HealthReport(context).step()
    fragile = report_of(workspace)["workers"]["fragile"]
    assert (fragile["activity"], fragile["last_failure"]) == ("restarting", "ValueError: no luck")
    assert fragile["n_failures"] == 1
    health = read_health(workspace)
    assert "The worker fragile failed" in health.problems(health.as_of)[0]
    assert main(["--workspace", str(workspace.root), "doctor", "--health"]) == 1
    told = capsys.readouterr()
    assert "fragile" in told.out
    assert "ValueError: no luck" in told.out + told.err


def test_it_lists_waiting_sessions_alerts_and_the_machine(workspace, context, sessions, person):
    session_id = sessions.start(TrainingSettings(), name="", actor=person).session_id
    context.telemetry.add("resource.cpu_percent", context.clock(), 40.0)
    context.telemetry.flush()
    HealthReport(context).step()
    report = report_of(workspace)
    assert report["engine"]["state"] == "running"
    assert [(each["session_id"], each["phase"]) for each in report["sessions"]] == [(session_id, "queued")]
    assert report["resources"]["resource.cpu_percent"]["mean"] == 40.0
    assert report["n_open_alerts"] == 0


def test_a_report_that_a_running_engine_no_longer_writes_is_a_problem(workspace, context):
    with pytest.raises(NotFoundError, match="an engine writes it"):
        read_health(workspace)
    HealthReport(context).step()
    health = read_health(workspace)
    assert health.problems(health.as_of + timedelta(seconds=20)) == []
    assert "was killed, or hangs" in health.problems(health.as_of + timedelta(seconds=40))[0]


def test_the_command_shows_it_as_json(workspace, context, capsys):
    worker = HealthReport(context)
    worker.end(after_failure=False)
    assert main(["--workspace", str(workspace.root), "doctor", "--health", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == report_of(workspace)


@pytest.mark.parametrize("another", [False, True], ids=["gone", "replaced"])
def test_a_workspace_that_is_gone_is_not_brought_back(workspace, context, another):
    worker = HealthReport(context)
    workspace.root.rename(workspace.root.with_name("elsewhere"))
    if another:
        workspace.root.mkdir()
    worker.step()
    worker.end(after_failure=False)
    assert not (workspace.root / HEALTH_REPORT).exists()
    assert workspace.root.exists() == another
    shutil.rmtree(workspace.root, ignore_errors=True)
    workspace.root.with_name("elsewhere").rename(workspace.root)


def test_a_worker_that_fails_is_counted_until_it_is_stopped(context):
    thread = WorkerThread(Fragile(), report=lambda *_: None, states=context.workers)
    thread.start()
    until(lambda: (state := context.workers.all().get("fragile")) and state.n_failures, "a failure")
    thread.stop()
    thread.join()
    state = context.workers.all()["fragile"]
    assert (state.activity, state.last_failure) == (WorkerActivity.STOPPED, "ValueError: no luck")
