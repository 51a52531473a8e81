"""The waits of tests end when nothing goes on any more, and a disk counts as full only if it has no room."""

import errno
import os

import pytest

from tests import disks, waiting
from tests.disks import filled
from tests.waiting import Watchdog, until


@pytest.fixture
def seconds(monkeypatch):
    """The seconds of the clock by which tests are patient; they pass when a test says so."""
    passed = [0.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: passed[0])
    monkeypatch.setattr(waiting.time, "sleep", lambda _: None)
    return passed


def test_a_wait_goes_on_while_anything_progresses_and_ends_once_nothing_does(seconds):
    stage = ["collect"]
    watchdog = Watchdog("the end", lambda: stage[0], told=lambda: f"it is at {stage[0]}")
    for name in ("check", "train", "validate"):
        seconds[0] += waiting.PATIENCE_SECONDS
        watchdog.look()
        stage[0] = name
        seconds[0] += waiting.PATIENCE_SECONDS
        watchdog.look()
    seconds[0] += waiting.PATIENCE_SECONDS + 1
    with pytest.raises(pytest.fail.Exception, match="the end did not come\nit is at validate"):
        watchdog.look()


def test_a_wait_without_progress_ends_after_one_patience(seconds):
    def look():
        seconds[0] += 100
        return False

    with pytest.raises(pytest.fail.Exception, match=r"^an answer did not come$"):
        until(look, "an answer")
    assert seconds[0] <= waiting.PATIENCE_SECONDS + 200


class RefusedFile:
    """A file whose every write is refused for one reason."""

    def __init__(self, number):
        self._number = number

    def write(self, _content):
        raise OSError(self._number, os.strerror(self._number))


def test_only_a_disk_without_room_is_full():
    disks._write_until_full(RefusedFile(errno.ENOSPC))
    for number in (errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EROFS):
        with pytest.raises(OSError, match=os.strerror(number)):
            disks._write_until_full(RefusedFile(number))


def test_a_disk_that_cannot_be_filled_is_left_as_it_was(tmp_path, monkeypatch):
    def refuse(file):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(disks, "_write_until_full", refuse)
    with pytest.raises(OSError, match="Input/output error"), filled(tmp_path):
        pytest.fail("it is not full")
    assert list(tmp_path.iterdir()) == []
