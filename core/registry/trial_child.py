"""The child process in which a version's files are parsed first: its crash or hang costs no other process anything.

One child tries many versions, since its imports cost seconds and a trial milliseconds. It ends with this process, after
a minute without work, with the version that kills it, or when a package was installed; the next trial then starts
another.
"""

import atexit
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec

from core.errors import CoreError
from core.installed_packages import installed_packages
from core.json_documents import decode_json
from core.own_python import ONE_THREAD, module_command, signal_name

MODULE = "core.serving.scoring.trial"  # above the registry, so it is named and not imported
START_SECONDS = 120.0
"""How long a child may take to import its libraries on a busy machine; on an idle one it takes about two seconds."""

IDLE_EXIT = 75
"""How the child ends after a time without work: an exit with 0 in the middle of a trial is the version's."""

_FROM_OUTSIDE = (IDLE_EXIT, -signal.SIGKILL, -signal.SIGTERM)  # ends that prove nothing about a version's files


class TrialRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A version to try: the child loads it and lets it answer rows of its own signature."""

    folder: str
    memory_mib: int
    seconds: float


class TrialOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a trial."""

    problem: str = ""  # empty: it loads and answers
    is_fatal: bool = False  # the loader died, hung or ran out of memory
    found: str = ""  # what was done without a problem, or why nothing could be
    n_rows: int = 0  # rows that it answered


class TrialFailedError(CoreError):
    """A trial could not take place, which says nothing about the version."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The version could not be tried in a process of its own: {reason}.")


class TrialChild:
    """Runs trials one after another. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._packages: frozenset[str] = frozenset()

    def run(self, request: TrialRequest) -> TrialOutcome:
        """Try one version.

        Raises:
            TrialFailedError: The child cannot be started.
        """
        with self._lock:
            for is_last in (False, True):
                process = self._ready()
                try:
                    computed_before = _computed_seconds(process.pid)
                    _write(process, request)
                    found = self._outcome(process, request, computed_before)
                    if found is not None:
                        return found
                    if is_last:
                        return TrialOutcome(problem=_too_long(request), is_fatal=True)
                except BrokenPipeError:  # it has ended for lack of work, or another process has ended it
                    self.close()
                    if is_last:
                        raise TrialFailedError("the process was ended from outside") from None
        raise AssertionError

    def close(self) -> None:
        """End the child, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue

    def forget(self) -> None:
        """In a fork, leave the child of the parent alone."""
        self._lock, self._process = threading.Lock(), None

    def _ready(self) -> "subprocess.Popen[bytes]":
        packages = installed_packages()
        if self._process is not None and self._process.poll() is None and packages == self._packages:
            return self._process
        self.close()  # also where packages were installed since: the child knows only those of its start
        self._packages = packages
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            self._process = subprocess.Popen(
                module_command(MODULE),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                bufsize=0,
                start_new_session=True,  # Ctrl-C at the terminal is for the parent to handle
            )
        except OSError as error:
            raise TrialFailedError(error.strerror or str(error)) from error
        if not _line(self._process, START_SECONDS):  # too late, or at its end
            self.close()
            raise TrialFailedError("the process does not start")
        return self._process

    def _outcome(
        self, process: "subprocess.Popen[bytes]", request: TrialRequest, computed_before: float
    ) -> TrialOutcome | None:
        """Wait for what becomes of a trial; None if it took too long by the clock alone.

        A clock goes on while a machine is frozen, or the child waits for a processor: only computing proves a loop.
        """
        line = _line(process, request.seconds)
        if line:
            return decode_json(line, TrialOutcome)
        is_hanging = process.poll() is None and line is None
        has_computed = is_hanging and _computed_seconds(process.pid) - computed_before >= request.seconds
        self.close()
        if process.returncode in _FROM_OUTSIDE and not is_hanging:
            raise BrokenPipeError
        if is_hanging:
            return TrialOutcome(problem=_too_long(request), is_fatal=True) if has_computed else None
        return TrialOutcome(problem=f"loading it killed the process ({_ending(process.returncode)})", is_fatal=True)


def _too_long(request: TrialRequest) -> str:
    return f"loading it took longer than {request.seconds:g} s"


def _computed_seconds(pid: int) -> float:
    """Return the computing time of a process; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _write(process: "subprocess.Popen[bytes]", request: TrialRequest) -> None:
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(request) + b"\n")


def _line(process: "subprocess.Popen[bytes]", seconds: float) -> bytes | None:
    """Read a line; None after the time, empty at the end."""
    assert process.stdout is not None
    descriptor, until, found = process.stdout.fileno(), time.monotonic() + seconds, b""
    while not found.endswith(b"\n"):
        if not select.select([descriptor], [], [], max(until - time.monotonic(), 0.0))[0]:
            return None
        part = os.read(descriptor, 65_536)
        if not part:
            process.wait()
            return b""
        found += part
    return found


def _ending(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    name = signal_name(code)
    return f"{name}, too much computing time" if name == "SIGXCPU" else name


def try_folder(folder: Path, *, memory_mib: int, seconds: float) -> TrialOutcome:
    """Try a version's files in the child of this process.

    Raises:
        TrialFailedError: The child cannot be started.
    """
    return _child.run(TrialRequest(folder=str(folder), memory_mib=memory_mib, seconds=seconds))


def end_trials() -> None:
    """End the child of this process, and the trial that it is at."""
    _child.close()


_child = TrialChild()
atexit.register(_child.close)
os.register_at_fork(after_in_child=_child.forget)
