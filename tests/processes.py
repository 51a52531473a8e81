"""Real processes for tests: children that answer, wait for their turn, or die at a chosen point of their work."""

import os
import pickle
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from tests.waiting import until

_LAST_PORT = 65_535
_handed_out: set[int] = set()


def free_port() -> int:
    """Return a port on which nobody listens just now, and that no process gets by chance before the caller has it.

    The kernel gives ports of its own range to every connection and to whoever lets it choose; this one is below that
    range where there is room, differs from those that this process was given before, and is of no other worker of
    pytest: of n workers, each takes every n-th port.
    """
    n_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    kernels_first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    first, end = (10_000, kernels_first) if kernels_first > 12_000 else (kernels_first, _LAST_PORT + 1)
    while True:
        port = random.SystemRandom().randrange(first + (number - first) % n_workers, end, n_workers)
        if port in _handed_out:
            continue
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            _handed_out.add(port)
            return port


class Child:
    """A forked process that computes one answer."""

    def __init__(self, work: Callable[[], Any]) -> None:
        read_end, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(read_end)
                with open(write_end, "wb") as pipe:
                    pickle.dump(_outcome(work), pipe)
            finally:
                os._exit(0)
        os.close(write_end)
        self._pipe = open(read_end, "rb")  # noqa: SIM115 - closed by answer() or kill()
        self._is_over = False

    def answer(self) -> Any:
        """Wait for the end and return what the work returned; raise what it raised."""
        with self._pipe as pipe:
            pickled = pipe.read()
        self.wait()
        outcome, value = pickle.loads(pickled)
        if outcome == "raised":
            raise AssertionError(f"the child raised:\n{value}")
        return value

    def wait(self) -> None:
        """Wait for the end, whatever it is."""
        os.waitpid(self.pid, 0)
        self._pipe.close()
        self._is_over = True

    def kill(self) -> None:
        """End it as kill -9 does, if it still runs."""
        if not self._is_over:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()


def _outcome(work: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "returned", work()
    except BaseException:
        return "raised", traceback.format_exc()


class Turnstile:
    """Holds processes up until it is opened. Made before they are forked."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()

    def pass_through(self) -> None:
        """Wait until it lets one more through."""
        os.read(self._read_end, 1)

    def is_open(self) -> bool:
        """Tell whether somebody could pass through now."""
        return bool(select.select([self._read_end], [], [], 0)[0])

    def open(self, n: int = 1) -> None:
        """Let a number of processes through, those that come later included."""
        os.write(self._write_end, b"." * n)

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._read_end)
        os.close(self._write_end)


_METHODS = frozenset({"write", "writelines", "flush", "truncate"})
_CALLS = frozenset(
    {"write", "ftruncate", "truncate", "sendfile", "copy_file_range", "fsync", "fdatasync"}
    | {"rename", "replace", "link", "symlink", "unlink", "remove", "mkdir", "rmdir", "chmod", "fchmod", "utime"}
)


def _is_change(called: Any) -> bool:
    """Whether a call changes what is on the disk or makes it last; between two of them, all points are the same.

    Texts have a method `replace` and lists a method `remove`, which change no file.
    """
    if called.__module__ == os.fsync.__module__:
        return called.__name__ in _CALLS
    return called.__name__ in _METHODS


class Death:
    """Ends this process as kill -9 does, at the n-th point of its work on files.

    A point is just before a change of what is on the disk, or in the middle of one: half is written.
    """

    def __init__(self, at: int, *, thread: str = "MainThread") -> None:
        self.n_points = 0
        self._at = at
        self._thread = thread
        self._write = os.write

    def await_it(self) -> None:
        """Count from now on, in the thread of that name, running already or still to come."""
        os.write = self._write_and_perhaps_half
        threading.setprofile(self._look)
        sys.setprofile(self._look)

    def _look(self, _frame: FrameType, event: str, called: Any) -> None:
        if threading.current_thread().name != self._thread:
            sys.setprofile(None)  # of this thread alone
        elif event == "c_call" and _is_change(called):
            self._pass()

    def _write_and_perhaps_half(self, descriptor: int, content: Any) -> int:
        if threading.current_thread().name == self._thread:
            if self.n_points + 1 == self._at:
                self._write(descriptor, memoryview(content)[: len(content) // 2])
            self._pass()
        return self._write(descriptor, content)

    def _pass(self) -> None:
        self.n_points += 1
        if self.n_points == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def printed_unless_killed(command: Sequence[str], what: str, *, progress: Callable[[], object]) -> str | None:
    """Run a program that may die as by kill -9, for as long as anything goes on in it.

    Args:
        command: The program and its arguments.
        what: What its end means, in the words of the failure.
        progress: What changes while it gets on, seen from here: a program that hangs cannot tell.

    Returns:
        What it printed; None if it was killed.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: process.poll() is not None, what, progress=progress, told=progress)
        finally:
            process.kill()
        assert process.stdout is not None
        printed = process.stdout.read()
    assert process.returncode in (0, -signal.SIGKILL), "the program failed by itself; see its error above"
    return printed if process.returncode == 0 else None


def dies(at: int, work: Callable[[], object]) -> bool:
    """Fork a process that does some work and dies at the n-th point of it.

    Returns:
        Whether it died; False once there are fewer points, and the work was done to its end.
    """
    pid = os.fork()
    if pid == 0:
        exit_code = 70
        try:
            Death(at).await_it()
            work()
            exit_code = 0
        except BaseException:
            sys.setprofile(None)
            traceback.print_exc()
        finally:
            os._exit(exit_code)
    exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert exit_code in (0, -signal.SIGKILL), "the work failed by itself; see its error above"
    return exit_code != 0


def unmeasured() -> dict[str, str]:
    """Return the environment of a child that lists its modules: coverage.py, which measures children, loads its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
