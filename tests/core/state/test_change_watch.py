import threading

import pytest

from core.state import ChangeWatch
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture
def watch(workspace):
    workspace.database("runs").table("t").insert({})
    return ChangeWatch(workspace)


def test_existing_databases_are_not_a_change(watch):
    assert watch.changed() == frozenset()


def test_a_commit_is_noticed_once_by_the_name_of_its_database(workspace, watch):
    workspace.database("runs").table("t").insert({})
    workspace.database("registry").table("t").insert({})
    assert watch.changed() == {"runs", "registry"}
    assert watch.changed() == frozenset()


def test_many_commits_between_two_looks_are_one_change(workspace, watch):
    for _ in range(5):
        workspace.database("runs").table("t").insert({})
    assert watch.changed() == {"runs"}


def test_a_removed_database_is_a_change(workspace, watch):
    workspace.state_file("runs").unlink()
    assert watch.changed() == {"runs"}


class Waiting(threading.Event):
    """Tells somebody as soon as anybody waits for it."""

    def __init__(self, tell):
        super().__init__()
        self.n_waits = 0
        self._tell = tell

    def wait(self, timeout=None):
        self.n_waits += 1
        self._tell()
        return super().wait(timeout)


def test_a_commit_of_another_process_ends_a_wait(workspace, watch, fork, turnstile):
    somebody_waits = turnstile()

    def commit():
        somebody_waits.pass_through()
        workspace.database("alerts").table("t").insert({})

    child = fork(commit)
    assert watch.wait(PATIENCE_SECONDS, Waiting(somebody_waits.open)) == {"alerts"}
    child.answer()


def test_waiting_ends_without_a_change_after_a_time_out(watch):
    assert watch.wait(0.01, threading.Event()) == frozenset()


def test_waiting_ends_immediately_when_stopped(watch):
    stop = Waiting(lambda: None)
    stop.set()
    assert watch.wait(PATIENCE_SECONDS, stop) == frozenset()
    assert stop.n_waits == 1
