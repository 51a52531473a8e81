import os
import time
from datetime import UTC, datetime

import pytest

from core.actor import Actor, Origin
from core.errors import ExitCode
from core.state import Lease, LeaseHeldError, read_lease

ANNA = Actor("anna", "desk", Origin.CONSOLE)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def acquire(workspace, mode="headless"):
    return Lease.acquire(workspace, ANNA, mode, clock=lambda: NOON)


def test_nobody_holds_the_lease_of_a_fresh_workspace(workspace):
    assert read_lease(workspace) is None


def test_the_holder_is_named_while_it_holds_and_only_then(workspace):
    with acquire(workspace, "embedded"):
        holder = read_lease(workspace)
        assert holder is not None
        assert (holder.user, holder.host, holder.pid, holder.mode) == ("anna", "desk", os.getpid(), "embedded")
        assert holder.acquired_at == NOON
    assert read_lease(workspace) is None


def test_a_second_engine_is_told_whose_the_first_one_is(workspace):
    with (
        acquire(workspace),
        pytest.raises(LeaseHeldError, match=r"headless, anna@desk, process \d+, since 2026") as held,
    ):
        acquire(workspace)
    assert held.value.exit_code is ExitCode.CONFLICT


def test_a_released_lease_can_be_acquired_again_and_released_twice(workspace):
    lease = acquire(workspace)
    lease.release()
    lease.release()
    acquire(workspace).release()


def test_of_many_processes_at_once_exactly_one_gets_it(workspace, fork):
    read_end, write_end = os.pipe()

    def race():
        os.read(read_end, 1)  # the start signal
        try:
            acquire(workspace)
        except LeaseHeldError as held:
            return str(held)
        time.sleep(0.5)  # longer than the others try
        return "won"

    children = [fork(race) for _ in range(5)]
    os.write(write_end, b"." * len(children))
    outcomes = [child.answer() for child in children]
    os.close(read_end)
    os.close(write_end)
    assert outcomes.count("won") == 1
    assert all("one workspace has one engine" in outcome for outcome in outcomes if outcome != "won")


def held_in(fork, workspace):
    """Start a process that holds the lease, and wait until it does."""

    def hold():
        acquire(workspace)
        time.sleep(60)

    child = fork(hold)
    deadline = time.monotonic() + 10
    while read_lease(workspace) is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return child


def test_a_killed_holder_holds_nothing(workspace, fork):
    child = held_in(fork, workspace)
    holder = read_lease(workspace)
    assert holder is not None
    assert holder.pid == child.pid
    child.kill()
    assert read_lease(workspace) is None
    with acquire(workspace):
        holder = read_lease(workspace)
        assert holder is not None
        assert holder.pid == os.getpid()


def test_a_child_of_the_holder_does_not_keep_the_lease(workspace, fork):
    lease = acquire(workspace)
    child = fork(lambda: time.sleep(60))
    lease.release()
    assert read_lease(workspace) is None
    child.kill()


def test_those_who_keep_looking_never_turn_an_engine_away(workspace, fork):
    def look():
        deadline = time.monotonic() + 0.4
        while time.monotonic() < deadline:
            read_lease(workspace)

    children = [fork(look) for _ in range(2)]
    for _ in range(50):
        acquire(workspace).release()
    for child in children:
        child.answer()


def test_a_lease_file_that_says_nothing_still_counts_as_held(workspace):
    with acquire(workspace):
        workspace.lease_file.write_bytes(b"garbage")
        holder = read_lease(workspace)
        assert holder is not None
        assert holder.user == "unknown"
