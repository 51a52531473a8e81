"""Worker processes: the same results as threads, and a worker that is killed costs its task alone."""

import os
import signal
import threading

import numpy as np
import psutil
import pytest

from core.errors import UsageError
from core.executors.errors import ExecutorError, TaskLostError, WorkError
from core.executors.processes import ProcessExecutor
from core.executors.work import Work
from tests.waiting import until


@pytest.fixture
def executor():
    found = ProcessExecutor(2)
    yield found
    found.close()


def doubled(works, **shared):
    return Work(
        title="doubles",
        here=lambda array: array * 2 * 3,
        there=works.Doubled,
        shared=lambda: {"factor": 3, **shared},
        sent=lambda array: {"array": array},
        taken=lambda _, answer: answer["array"],
    )


def test_results_come_in_the_order_of_the_items(executor, works):
    arrays = [np.arange(n, dtype=np.float64) for n in range(7)]

    found = executor.map(doubled(works), arrays)

    assert [each.tobytes() for each in found] == [(array * 6).tobytes() for array in arrays]
    assert len(executor.pids) <= 2


def test_what_tasks_share_is_opened_once_by_each_worker(executor, works, tmp_path):
    work = doubled(works, opened=str(tmp_path))

    executor.map(work, [np.ones(2)] * 6)
    pids = executor.pids
    executor.map(work, [np.ones(2)] * 6)

    assert set(pids) <= set(executor.pids)  # the second worker may have come late, and been needed by nobody before
    assert {int(path.name) for path in tmp_path.iterdir()} <= set(executor.pids)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"opened\n"}


@pytest.mark.parametrize(
    ("task", "kind", "text"),
    [
        ("value", ValueError, "value is wrong"),
        ("ours", WorkError, "ours is wrong"),
        ("library", RuntimeError, "library is wrong"),
        ("plain", TypeError, "object is no plain value"),
    ],
)
def test_an_error_of_a_task_is_raised_here_as_it_would_be_without_a_worker(task, kind, text, executor, works):
    work = Work(title="failures", here=lambda _: None, there=works.Failing)

    with pytest.raises(kind, match=text) as raised:
        executor.map(work, [task])

    assert "on a worker:\nTraceback" in raised.value.__notes__[0]
    if task == "library":
        assert type(raised.value).__name__ == "LightGBMError"
    if task == "ours":
        assert not isinstance(raised.value, UsageError | ExecutorError)


def test_a_worker_that_is_killed_in_the_middle_costs_its_task_which_is_done_again(executor, works, marks, tmp_path):
    work = Work(title="tasks", here=lambda task: task * 10, there=works.Killed, shared=lambda: str(tmp_path))
    found = []
    thread = threading.Thread(target=lambda: found.extend(executor.map(work, [1, 2, 3])))
    thread.start()
    until(lambda: len(marks()) == 2, "two tasks under way")
    (lost, victim), (_, survivor) = marks()

    os.kill(victim, signal.SIGKILL)
    until(lambda: len([task for task, _ in marks() if task == lost]) == 2, "the second attempt")
    (tmp_path / "go").touch()
    thread.join()

    assert found == [10, 20, 30]
    assert survivor in executor.pids
    assert victim not in executor.pids


def test_a_task_that_ends_every_worker_fails_with_the_reason(executor, works):
    with pytest.raises(TaskLostError, match=r"one of the tasks lost its worker 3 times \(.* was killed by SIGKILL\)"):
        executor.map(Work(title="tasks", here=lambda _: None, there=works.Suicidal), [1])

    assert executor.map(doubled(works), [np.ones(1)])[0] == 6  # and the next work has new workers


def test_no_worker_outlives_the_executor(works, tmp_path, marks):
    executor = ProcessExecutor(2)
    work = Work(title="tasks", here=lambda task: task, there=works.Killed, shared=lambda: str(tmp_path))
    raised = []

    def run():
        try:
            executor.map(work, [1, 2])
        except ExecutorError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: len(marks()) == 2, "two tasks under way")
    pids = executor.pids

    executor.close()
    thread.join()

    assert raised
    assert not any(psutil.pid_exists(pid) for pid in pids)
    with pytest.raises(ExecutorError, match="have ended"):
        executor.map(doubled(works), [np.ones(1)])


def test_work_that_cannot_travel_is_done_here(executor):
    assert executor.map(Work(title="sums", here=lambda n: n + os.getpid()), [1, 2]) == [
        1 + os.getpid(),
        2 + os.getpid(),
    ]
    assert executor.pids == ()
