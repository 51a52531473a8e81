import os
from datetime import UTC, datetime

import pytest

from core.actor import Actor, Origin
from core.errors import ExitCode
from core.state import Lease, LeaseHeldError, read_lease

ANNA = Actor("anna", "desk", Origin.CONSOLE)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def acquire(workspace, mode="headless"):
    return Lease.acquire(workspace, ANNA, mode, clock=lambda: NOON)


def test_the_lease_of_a_fresh_workspace_is_free(workspace):
    assert read_lease(workspace) is None


def test_the_holder_is_reported_only_while_it_holds_the_lease(workspace):
    with acquire(workspace, "embedded"):
        holder = read_lease(workspace)
        assert holder is not None
        assert (holder.user, holder.host, holder.pid, holder.mode) == ("anna", "desk", os.getpid(), "embedded")
        assert holder.acquired_at == NOON
    assert read_lease(workspace) is None


def test_a_second_engine_is_refused_with_the_name_of_the_first(workspace):
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


def test_exactly_one_of_many_processes_gets_the_lease(workspace, fork, turnstile):
    start, decided, may_leave = turnstile(), turnstile(), turnstile()

    def race():
        start.pass_through()
        try:
            held = acquire(workspace)
        except LeaseHeldError as refused:
            outcome = str(refused)
        else:
            outcome = "won"
        decided.open()
        may_leave.pass_through()
        if outcome == "won":
            held.release()
        return outcome

    children = [fork(race) for _ in range(5)]
    start.open(len(children))
    for _ in children:
        decided.pass_through()
    may_leave.open(len(children))
    outcomes = [child.answer() for child in children]
    assert outcomes.count("won") == 1
    assert all("A workspace has one engine" in outcome for outcome in outcomes if outcome != "won")


@pytest.fixture
def held(fork, turnstile, workspace):
    """A process that holds the lease."""
    is_held, never = turnstile(), turnstile()

    def hold():
        with acquire(workspace):
            is_held.open()
            never.pass_through()

    child = fork(hold)
    is_held.pass_through()
    return child


def test_a_killed_holder_releases_the_lease(workspace, held):
    holder = read_lease(workspace)
    assert holder is not None
    assert holder.pid == held.pid
    held.kill()
    assert read_lease(workspace) is None
    with acquire(workspace):
        holder = read_lease(workspace)
        assert holder is not None
        assert holder.pid == os.getpid()


def test_a_child_of_the_holder_does_not_keep_the_lease(workspace, fork, turnstile):
    lease = acquire(workspace)
    never = turnstile()
    child = fork(never.pass_through)
    lease.release()
    assert read_lease(workspace) is None
    child.kill()


def test_readers_never_block_an_engine(workspace, fork, turnstile, monkeypatch):
    monkeypatch.setattr("core.state.lease._PATIENCE_SECONDS", 0.0)
    looked, is_over = turnstile(), turnstile()

    def look():
        read_lease(workspace)
        looked.open()
        while not is_over.is_open():
            read_lease(workspace)

    children = [fork(look) for _ in range(2)]
    for _ in children:
        looked.pass_through()
    for _ in range(50):
        acquire(workspace).release()
    is_over.open()
    for child in children:
        child.answer()


def test_an_empty_lease_file_still_counts_as_held(workspace):
    with acquire(workspace):
        workspace.lease_file.write_bytes(b"garbage")
        holder = read_lease(workspace)
        assert holder is not None
        assert holder.user == "unknown"
