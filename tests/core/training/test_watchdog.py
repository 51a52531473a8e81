"""When a training child counts as stuck: by what it computes and by what it does not do, never by the wall alone."""

import pytest

from core.training.watchdog import Usage, Watchdog, usage_of
from tests.clocks import HandSeconds

PART = (1, "the gate house_rows")


@pytest.fixture
def seconds():
    return HandSeconds()


class Process:
    """A child whose use of the processor the test decides."""

    def __init__(self) -> None:
        self.cpu, self.is_runnable = 0.0, False

    def __call__(self) -> Usage:
        return Usage(self.cpu, self.is_runnable)


@pytest.fixture
def process():
    return Process()


@pytest.fixture
def watchdog(process, seconds):
    return Watchdog(10.0, look_at=process, monotonic=seconds)


def looks(watchdog, process, seconds, n, *, cpu, is_runnable=True, part=PART, step=1.0):
    """Look once a second; return what the last look said."""
    said = None
    for _ in range(n):
        seconds.pass_by(step)
        process.cpu += cpu
        process.is_runnable = is_runnable
        said = watchdog.look(part)
    return said


def test_a_part_that_only_computes_is_stuck_after_its_limit(watchdog, process, seconds):
    assert looks(watchdog, process, seconds, 11, cpu=1.0) is None
    assert looks(watchdog, process, seconds, 1, cpu=1.0) == (
        "computed for 11 s at the gate house_rows without getting on"
    )


def test_several_threads_at_once_use_up_no_more_than_one(watchdog, process, seconds):
    assert looks(watchdog, process, seconds, 11, cpu=8.0) is None


def test_a_part_that_does_nothing_is_stuck_after_its_limit(watchdog, process, seconds):
    assert looks(watchdog, process, seconds, 11, cpu=0.0, is_runnable=False) is None
    assert looks(watchdog, process, seconds, 1, cpu=0.0, is_runnable=False) == (
        "did nothing for 11 s at the gate house_rows"
    )


def test_a_child_that_waits_for_a_busy_processor_is_not_stuck(watchdog, process, seconds):
    assert looks(watchdog, process, seconds, 1000, cpu=0.0, is_runnable=True) is None


def test_a_machine_that_slept_is_not_a_stuck_child(watchdog, process, seconds):
    looks(watchdog, process, seconds, 2, cpu=0.0, is_runnable=False)
    assert looks(watchdog, process, seconds, 1, cpu=0.0, is_runnable=False, step=36_000.0) is None


def test_every_new_part_begins_anew(watchdog, process, seconds):
    for number in range(50):
        assert looks(watchdog, process, seconds, 9, cpu=1.0, part=(number, "the models a, b")) is None


def test_without_a_limit_nothing_is_stuck(process, seconds):
    assert looks(Watchdog(0.0, look_at=process, monotonic=seconds), process, seconds, 1000, cpu=1.0) is None


def test_a_process_that_is_gone_is_left_to_those_who_wait_for_it():
    assert usage_of(2**22 + 1) is None
    assert Watchdog(1.0, look_at=lambda: None).look(PART) is None
