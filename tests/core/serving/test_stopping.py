"""A server ends within its time to stop, whatever its models do, and workers that give no sign are replaced."""

import contextlib
import errno
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest

from console.commands.serve import _report
from core.backoff import BackOff
from core.errors import ExitCode
from core.serving.limits import ServingLimits
from core.serving.scoring.scorer import CompiledScorer
from core.serving.server import Server
from core.serving.supervisor import Supervisor, WorkerPlace, _Worker
from core.state import Workspace
from core.telemetry.predictions import PredictionReader
from tests.core.serving.test_workers import facts_of, log_of, workers_of
from tests.packages import installed
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

PATH = "/api/v1/predict/"
SILENCE_SECONDS = 20
"""Longer than a worker that runs is silent on a busy machine."""
SETTINGS = f"""
policy: {{promotion: {{min_accuracy: 0}}}}
serving: {{stop_seconds: 1.5, silence_seconds: {SILENCE_SECONDS}, answer_seconds: {PATIENCE_SECONDS:g}}}
"""
UNHURRIED = f"""
import core.serving.stuck
core.serving.stuck.STORE_SECONDS = {PATIENCE_SECONDS}
"""
"""Have a server that stops store its records for as long as that takes."""
STUCK_MODEL = '''
import os
import threading
from pathlib import Path

import numpy as np

from core.models.interface import Model
from core.models.persistence.archive import read_model, write_model


class StuckModel(Model):
    """Answers, but for the rows that name a column `forever`."""

    name = "stuck"
    task = "regression"
    label = "loss"
    algorithms = ("auto",)

    def update(self, panel, *, seed):
        self.n_updates += 1

    def predict(self, frame):
        if "forever" in frame:
            Path(os.environ["STUCK_MODEL_BEGUN"]).touch()
            threading.Event().wait()
        return np.zeros(len(frame))

    def evaluate(self, panel):
        return {"loss": 0.0}

    def feature_importance(self):
        return {}

    def report(self):
        return {}

    def save(self, folder):
        return write_model(folder, {"model": self.name}, {})

    @classmethod
    def load(cls, folder):
        read_model(folder)
        return cls()
'''


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    (folder / "stuck_model.py").write_text(STUCK_MODEL)
    with installed(folder, "stuck", {"bondx.models": {"stuck": "stuck_model:StuckModel"}}):
        yield


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "workspace", settings_text=SETTINGS)


def post(port, model, row):
    """Send a request, and return its connection with the answer still to come."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    headers = {"content-type": "application/json"}
    connection.request("POST", PATH + model, json.dumps({"row": row}), headers)
    return connection


@pytest.mark.journey
@pytest.mark.parametrize("arguments", [(), ("--workers", "1")], ids=["alone", "supervised"])
def test_a_server_ends_in_time_beside_a_model_that_never_returns(
    package, workspace, put_live, running, tmp_path, monkeypatch, at_start_of_children, arguments
):
    from stuck_model import StuckModel

    begun = tmp_path / "begun"
    monkeypatch.setenv("STUCK_MODEL_BEGUN", str(begun))
    StuckModel().save(tmp_path / "stuck")
    put_live(workspace, "stuck", tmp_path / "stuck")
    at_start_of_children(UNHURRIED)
    with running(workspace, *arguments) as server:
        assert server.ask(PATH + "stuck", {"row": {"amount": 1.0}}, headers={"x-request-id": "asked"}).status == 200
        stuck = post(server.port, "stuck", {"forever": 1.0})
        until(begun.exists, "the model computing")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_SECONDS) == ExitCode.STUCK
        stuck.close()
    named = r"still computing 1\.5 s after the server was stopped: stuck 1\.0\.0 in wait \(threading\.py, line \d+\)"
    assert re.search(named, log_of(workspace))
    assert PredictionReader(workspace.predictions_file).holds("asked")


@pytest.mark.journey
def test_an_engine_that_serves_ends_in_time_too(
    package, workspace, put_live, tmp_path, monkeypatch, at_start_of_children
):
    from stuck_model import StuckModel

    begun, port = tmp_path / "begun", free_port()
    monkeypatch.setenv("STUCK_MODEL_BEGUN", str(begun))
    StuckModel().save(tmp_path / "stuck")
    put_live(workspace, "stuck", tmp_path / "stuck")
    at_start_of_children(UNHURRIED)
    command = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "run", "--headless"]
    command += ["--no-session", "--api", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port), "an answer")
        stuck = post(port, "stuck", {"forever": 1.0})
        until(begun.exists, "the model computing")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == ExitCode.STUCK
        stuck.close()
    finally:
        process.kill()
        process.wait()


def answers(port):
    try:
        connection = post(port, "stuck", {"amount": 1.0})
        status = connection.getresponse().status
    except OSError:
        return False
    connection.close()
    return status == 200


def test_a_model_that_holds_the_event_loop_holds_up_no_stop(workspace, artifacts, put_live, rows_of, monkeypatch):
    put_live(workspace, "spread", artifacts / "spread")
    begun, released = threading.Event(), threading.Event()

    def answer(self, rows):
        begun.set()
        released.wait()
        raise ArithmeticError

    limits = ServingLimits(stop_seconds=0.3, answer_seconds=PATIENCE_SECONDS)  # it answers when this test lets it
    server = Server(workspace, "127.0.0.1", 0, limits=limits)
    server.start()
    until(lambda: server.table.is_complete, "every version being loaded")
    until(lambda: server.is_responsive, "turns of the loop")
    (row,) = rows_of("spread", 1)
    monkeypatch.setattr(CompiledScorer, "answer", answer)
    asking = post(int(server.url.rpartition(":")[2]), "spread", row)
    assert begun.wait(PATIENCE_SECONDS)
    (stuck,) = until(lambda: len(alone := server.stop()) == 1 and alone, "the end of every other thread")
    assert re.match(r"spread 1\.0\.0 in wait ", stuck)
    until(lambda: not server.is_responsive, "a loop without a turn")
    released.set()
    asking.close()
    until(lambda: server.stop() == (), "the end of every thread")


def states_of(process_id):
    """The states of the threads of a process."""
    return {facts_of(f"{process_id}/task/{thread}")[0] for thread in os.listdir(f"/proc/{process_id}/task")}


@pytest.mark.journey
def test_a_frozen_worker_is_named_and_replaced_while_the_port_answers(workspace, artifacts, put_live, running, rows_of):
    put_live(workspace, "spread", artifacts / "spread")
    (row,) = rows_of("spread", 1)
    with running(workspace, "--workers", "2") as server:
        until(lambda: log_of(workspace).count(" is ready\n") == 2, "two workers whose signs are heard")
        before = workers_of(server.process)
        server.connection.close()  # it may be one of the frozen worker
        os.kill(before[0], signal.SIGSTOP)
        try:
            # A thread that still runs takes a connection, which ends unanswered with the worker.
            until(lambda: states_of(before[0]) == {"T"}, "every thread of the worker standing still")

            def is_replaced():
                answer = post(server.port, "spread", row)  # a connection of its own
                assert answer.getresponse().status == 200
                answer.close()
                now = workers_of(server.process)
                return before[0] not in now and len(now) == 2

            until(is_replaced, "a successor of the frozen worker")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(before[0], signal.SIGCONT)
        assert before[1] in workers_of(server.process)
    named = rf"worker-\d, process {before[0]}, has given no sign for {SILENCE_SECONDS} s \(stopped by a signal\): "
    assert re.search(f"{named}it is killed", log_of(workspace))


def test_a_supervisor_that_was_frozen_itself_counts_no_silence():
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    worker = _Worker("worker-1", None, read_end)
    try:
        os.write(write_end, b"--")  # it loads; what it does before it answers has the time of a start
        worker.look(0.5)
        assert (worker.has_begun, worker.silent_seconds) == (False, 0.0)
        os.write(write_end, b"-.")
        worker.look(0.5)
        assert (worker.has_begun, worker.silent_seconds) == (True, 0.0)
        worker.look(0.5)
        assert worker.silent_seconds == 0.5
        supervisor = Supervisor(None, [], 1)
        supervisor._workers = [worker]
        supervisor._looked -= 3600  # frozen for an hour
        worker.process = Running()
        supervisor._look()
        assert worker.silent_seconds == 1.0
        assert not worker.process.is_killed
    finally:
        os.close(write_end)
        os.close(read_end)


def test_a_worker_that_cannot_be_started_now_ends_no_server_and_no_restart(monkeypatch, caplog):
    def refuse(*_, **__):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        supervisor = Supervisor(listener, [], 2)
        monkeypatch.setattr("core.serving.supervisor.subprocess.Popen", refuse)
        unhurried = BackOff(first_seconds=PATIENCE_SECONDS, most_seconds=PATIENCE_SECONDS)
        monkeypatch.setattr("core.serving.supervisor._BACK_OFF", unhurried)
        n_opened = len(os.listdir("/proc/self/fd"))
        supervisor._begin_restart()
        assert "worker-1 could not be started: Resource temporarily unavailable" in caplog.text
        assert "the restart is given up" in caplog.text
        supervisor._fill_up()
        assert "worker-2" not in caplog.text, "not at once"
        supervisor._not_before = 0.0
        supervisor._fill_up()
        assert "worker-2 could not be started" in caplog.text
        assert len(os.listdir("/proc/self/fd")) == n_opened
        assert not supervisor.run(lambda: False, lambda: False), "without any worker it says so"


def test_a_worker_gives_no_sign_before_its_loop_has_had_a_turn(workspace, artifacts, put_live):
    put_live(workspace, "spread", artifacts / "spread")
    server = Server(workspace, "127.0.0.1", 0)
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    place = WorkerPlace(-1, write_end, "", "worker-1", os.getppid())
    try:
        server.load()
        until(lambda: server.table.is_complete, "every version being loaded")
        _report(place, server, threading.Event())
        with pytest.raises(BlockingIOError):
            os.read(read_end, 1)
        server.answer()
        until(lambda: server.is_responsive, "turns of the loop")
        _report(place, server, threading.Event())
        assert os.read(read_end, 10) == b"1"
    finally:
        server.stop()
        os.close(write_end)
        os.close(read_end)


class Running:
    """A process that runs."""

    pid = 0
    is_killed = False

    def poll(self):
        return None

    def kill(self):
        self.is_killed = True
