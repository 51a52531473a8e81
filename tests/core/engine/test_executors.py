"""Sessions of an engine on processes and on a Dask cluster: what ends there ends no session."""

import signal
from contextlib import contextmanager

import msgspec
import psutil
import pytest

from core.actor import Actor, Origin
from core.engine import Engine
from core.settings.executor import ExecutorSettings
from core.settings.training import TrainerSettings
from core.training.session import SessionPhase
from core.training.sessions import Sessions
from tests import waiting
from tests.clusters import Cluster
from tests.core.engine.test_kill import computed, run_engine
from tests.core.engine.test_tuning import TUNED, begin
from tests.processes import free_port


@contextmanager
def running(workspace):
    """Run an engine."""
    engine = Engine(workspace, mode="headless", actor=Actor("ada", "desk", Origin.COMMAND_LINE))
    engine.start()
    try:
        yield
    finally:
        engine.stop()


LONG = msgspec.structs.replace(TUNED.tuning, trials=20)
"""Whoever looks for the worker processes while they try comes before the last trial."""


def on(executor):
    return msgspec.structs.replace(TUNED, tuning=LONG, executor=executor, trainer=TrainerSettings(max_retries=20))


@pytest.fixture(scope="module")
def on_threads(tmp_path_factory, person):
    workspace = begin(tmp_path_factory.mktemp("threads") / "w", person, on(ExecutorSettings()))
    run_engine(workspace)
    return computed(workspace)


@pytest.mark.journey
def test_a_scheduler_that_is_killed_is_a_failed_attempt_and_the_session_goes_on_once_it_is_back(
    tmp_path, person, until, on_threads, monkeypatch
):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    port = free_port()
    cluster = Cluster("--workers", "1", "--port", str(port))
    workspace = begin(tmp_path / "w", person, on(cluster.settings))
    sessions = Sessions(workspace)
    observe = Sessions.observe

    def observe_and_kill(self, *words, **fields):
        """Kill it in the engine's own step, which is before the session can have ended."""
        seen = observe(self, *words, **fields)
        standings = seen.observed.tuning.standings
        if cluster.process.returncode is None and standings and standings[0].n_trials >= 4:
            cluster.end(signal.SIGKILL)
        return seen

    monkeypatch.setattr(Sessions, "observe", observe_and_kill)
    with running(workspace):
        failed = until(sessions, "s-0001", lambda now: now.failure)
        again = Cluster("--workers", "1", "--port", str(port))
        done = until(sessions, "s-0001", lambda now: now.phase is SessionPhase.FINISHED)
    again.end()

    assert failed.observed.failure.startswith(f"the Dask scheduler {cluster.address} ")
    assert "Cure: start it" in failed.observed.failure
    assert done.observed.n_failed_epochs >= 1
    assert computed(workspace) == on_threads


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has just ended
        return ""


@pytest.mark.journey
def test_the_worker_processes_end_with_the_engine(tmp_path, person, until, on_threads):
    workspace = begin(tmp_path / "w", person, on(ExecutorSettings(kind="process", workers=2)))
    sessions = Sessions(workspace)
    seen = set()
    with running(workspace):

        def look():
            seen.update(
                process.pid
                for process in psutil.Process().children(recursive=True)
                if "core.executors.worker" in command_of(process)
            )
            return len(seen) >= 2

        waiting.until(look, "two worker processes")
        until(sessions, "s-0001", lambda now: now.phase is SessionPhase.FINISHED)

    waiting.until(lambda: not any(psutil.pid_exists(pid) for pid in seen), "the end of the workers")
    assert computed(workspace) == on_threads
