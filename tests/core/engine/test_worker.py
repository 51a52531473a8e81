"""The thread of a worker: when it steps, how it ends, and what it does about a failure."""

import logging
import queue
import threading

import pytest

from core.backoff import BackOff
from core.engine.worker import Worker, WorkerThread
from core.engine.worker_states import WorkerStates
from core.engine.workers import WORKERS
from core.engine.workers.change_notice import ChangeNotice
from core.maintenance.system_health import WorkerActivity
from core.maintenance.workspace_health import worker_health
from core.settings import PolicySource, SettingsError
from tests.waiting import PATIENCE_SECONDS


class Counter(Worker):
    """Says when it steps and when it ends; fails in the steps it is told to fail in."""

    name = "counter"
    watches = frozenset({"runs"})

    def __init__(self, pause=None, failing=()):
        self.wake = threading.Event()
        self.events = queue.Queue()
        self._n, self._pause, self._failing = 0, pause, failing

    def step(self):
        self._n += 1
        self.events.put(self._n)
        if self._n in self._failing:
            raise OSError("disk on fire")
        return self._pause

    def stop(self):
        self.events.put("stop")

    def end(self, *, after_failure):
        self.events.put("failed" if after_failure else "ended")

    def next(self):
        return self.events.get(timeout=PATIENCE_SECONDS)


@pytest.fixture
def start():
    """Give workers their threads; at the end of the test they must end."""
    threads, reported = [], []

    def begin(worker):
        threads.append(WorkerThread(worker, report=lambda name, error: reported.append((name, str(error)))))
        threads[-1].start()
        return threads[-1], reported

    yield begin
    for thread in threads:
        thread.stop()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def test_a_worker_steps_when_it_is_woken_and_ends_when_stopped(start):
    worker = Counter()
    thread, _ = start(worker)
    assert worker.next() == 1
    worker.wake.set()
    assert worker.next() == 2
    thread.stop()
    assert [worker.next(), worker.next()] == ["stop", "ended"]


def test_a_worker_steps_after_the_pause_that_it_returns(start):
    worker = Counter(pause=0.001)
    start(worker)
    assert [worker.next() for _ in range(3)] == [1, 2, 3]


def test_news_during_a_step_causes_another_step(start):
    worker = Counter()
    step = worker.step
    worker.step = lambda: (worker.wake.set() if worker._n == 0 else None, step())[1]
    start(worker)
    assert [worker.next(), worker.next()] == [1, 2]


def test_a_worker_stopped_before_its_first_step_takes_none():
    worker = Counter()
    thread = WorkerThread(worker, report=lambda *_: None)
    thread.stop()
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert [worker.next(), worker.next()] == ["stop", "ended"]


def test_a_failed_worker_is_reported_and_restarts(start, caplog, monkeypatch):
    monkeypatch.setattr("core.engine.worker.RESTART", BackOff(first_seconds=0.001))
    worker = Counter(failing=(1,))
    with caplog.at_level(logging.ERROR):
        _, reported = start(worker)
        assert [worker.next(), worker.next(), worker.next()] == [1, "failed", 2]
    assert reported == [("counter", "disk on fire")]
    assert "the counter failed" in caplog.text


def panic():
    """Fail as Rust code does: with what is no Exception."""
    import promql_parser

    return promql_parser.parse("up @ -1").at.at


def leave():
    raise SystemExit(3)


@pytest.mark.parametrize("fail", [panic, leave])
def test_a_failure_that_is_no_exception_is_a_failure_of_the_worker_too(start, monkeypatch, fail):
    monkeypatch.setattr("core.engine.worker.RESTART", BackOff(first_seconds=0.001))
    worker = Counter()
    step = worker.step
    worker.step = lambda: (step(), fail() if worker._n == 1 else None)[1]
    _, reported = start(worker)
    assert [worker.next(), worker.next(), worker.next()] == [1, "failed", 2]
    assert [name for name, _ in reported] == ["counter"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_ended_is_neither_live_nor_ready(monkeypatch):
    worker, states = Counter(failing=(1,)), WorkerStates()
    thread = WorkerThread(worker, report=lambda *_: None, states=states)
    monkeypatch.setattr(thread, "_tell", lambda *_: panic())
    thread.start()
    thread.join(PATIENCE_SECONDS)
    state = states.all()["counter"]
    assert state.activity is WorkerActivity.STOPPED
    health = worker_health("counter", state, state.since)
    assert (health.is_live, health.is_ready) == (False, False)


def test_the_pauses_of_a_worker_that_was_well_for_long_begin_anew(monkeypatch):
    waited = []
    worker = Counter(pause=0.0, failing=(1, 2, 4))
    times = iter([0.0, 1.0, 2.0, 3.0, 4.0, 100.0, 101.0])  # the third life lasts for 96 s
    thread = WorkerThread(worker, report=lambda *_: None, monotonic=times.__next__)
    monkeypatch.setattr(thread._stopping, "wait", lambda pause: waited.append(pause) or len(waited) == 3)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert waited == [1.0, 2.0, 1.0]


def test_a_failure_that_cannot_be_reported_does_not_end_the_worker(caplog, monkeypatch):
    monkeypatch.setattr("core.engine.worker.RESTART", BackOff(first_seconds=0.001))
    worker = Counter(failing=(1,))

    def report(name, error):
        raise OSError("no room for an alert")

    thread = WorkerThread(worker, report=report)
    thread.start()
    try:
        assert [worker.next(), worker.next(), worker.next()] == [1, "failed", 2]
    finally:
        thread.stop()
        thread.join(PATIENCE_SECONDS)
    assert "could not be reported" in caplog.text


def test_a_failing_worker_does_not_outlive_the_engine(start, monkeypatch):
    monkeypatch.setattr("core.engine.worker.RESTART", BackOff(first_seconds=PATIENCE_SECONDS))
    worker = Counter(failing=(1,))
    thread, _ = start(worker)
    assert [worker.next(), worker.next()] == [1, "failed"]
    thread.stop()  # within the pause
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert worker.next() == "stop"
    assert worker.events.empty()


def test_workers_are_woken_by_changes_in_watched_databases(workspace):
    watching, other = Counter(), Counter()
    other.watches = frozenset({"alerts"})
    notice = ChangeNotice(workspace, [watching, other])
    notice.step()
    assert watching.wake.is_set(), "what was written before the watch began is no change to it"
    assert other.wake.is_set()
    watching.wake.clear()
    other.wake.clear()
    workspace.database("runs").table("t").insert({})
    notice.step()
    assert watching.wake.is_set()
    assert not other.wake.is_set()


def test_every_listed_worker_has_a_unique_name_and_takes_a_step(context):
    workers = [worker(context) for worker in WORKERS]
    names = {context.trainer.name, ChangeNotice.name, *(worker.name for worker in workers)}
    assert len(names) == len(workers) + 2
    for worker in workers:
        pause = worker.step()
        assert pause is None or pause >= 0
        worker.stop()
        worker.end(after_failure=False)


def test_a_worker_that_works_again_is_reported_once_each_time(monkeypatch):
    monkeypatch.setattr("core.engine.worker.RESTART", BackOff(first_seconds=0.001))
    told = []
    worker = Counter(pause=0.0, failing=(1, 4))

    def recovered(name):
        told.append(worker._n)
        if len(told) == 1:
            raise OSError("no room for a change")  # the next step tries again

    thread = WorkerThread(worker, report=lambda *_: None, recovered=recovered)
    thread.start()
    try:
        while worker.next() != 7:
            pass
    finally:
        thread.stop()
        thread.join(PATIENCE_SECONDS)
    assert told == [2, 3, 5]


class PolicyReader(Counter):
    """Reads the policy in every step."""

    def __init__(self, source):
        super().__init__()
        self._source = source

    def step(self):
        self.events.put(self._source.policy().promotion.min_accuracy)


def test_a_worker_goes_on_with_the_last_good_policy_and_other_threads_are_refused(start, tmp_path):
    file, source = tmp_path / "policy.yaml", PolicySource(tmp_path, environ={})
    file.write_text("promotion: {min_accuracy: 0.7}\n")
    worker = PolicyReader(source)
    thread, reported = start(worker)
    assert worker.next() == 0.7

    file.write_text("promotion: {min_accuracy: seven}\n")
    worker.wake.set()
    assert worker.next() == 0.7
    with pytest.raises(SettingsError, match=r"policy\.yaml, line 1"):
        source.policy()

    file.write_text("promotion: {min_accuracy: 0.75}\n")
    worker.wake.set()
    assert worker.next() == 0.75
    thread.stop()
    assert (worker.next(), worker.next()) == ("stop", "ended")
    assert reported == []
