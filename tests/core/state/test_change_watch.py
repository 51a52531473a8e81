import threading
import time

import pytest

from core.state import ChangeWatch


@pytest.fixture
def watch(workspace):
    workspace.database("runs").table("t").insert({})
    return ChangeWatch(workspace)


def test_what_was_there_before_is_no_change(watch):
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


def test_a_database_that_is_gone_is_a_change(workspace, watch):
    workspace.state_file("runs").unlink()
    assert watch.changed() == {"runs"}


def test_another_process_is_noticed(workspace, watch, fork):
    stop = threading.Event()

    def commit():
        time.sleep(0.15)
        workspace.database("alerts").table("t").insert({})

    child = fork(commit)
    assert watch.wait(10, stop) == {"alerts"}
    child.answer()


def test_waiting_ends_without_a_change_when_the_time_is_over(watch):
    assert watch.wait(0.01, threading.Event()) == frozenset()


def test_waiting_ends_at_once_when_stopped(watch):
    stop = threading.Event()
    stop.set()
    assert watch.wait(60, stop) == frozenset()
