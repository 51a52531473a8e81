"""Waiting for the lock of a file: in turn, with a report of its holder, and within a limit."""

import contextvars
import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from core.state.errors import LockHeldError

log = logging.getLogger(__name__)

LIMIT_SECONDS = 30.0
"""Changes hold a lock for milliseconds, and for some seconds on a busy disk."""
TELL_AFTER_SECONDS = 1.0

tell_waiting: contextvars.ContextVar[Callable[[str], None]] = contextvars.ContextVar(
    "tell_waiting", default=log.warning
)
"""Takes one sentence for the person who waits; a console shows it, otherwise it goes to the log."""


def wait_for_lock(descriptor: int, path: Path, *, shared: bool = False) -> None:
    """Lock an open file, after all who asked before.

    Args:
        descriptor: The file, open in any mode; closing it releases the lock.
        path: Its name, for messages.
        shared: Admit others who ask for a shared lock.
    Raises:
        LockHeldError: It was not released within `LIMIT_SECONDS`; the message names the holder.
        OSError: The file cannot be locked.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        _Wait(descriptor, kind).end(path)


def holder_of(path: Path) -> str:
    """Describe who holds the lock of a file: the process, its command, its account.

    Source:
        proc_locks(5): `/proc/locks` lists the locks of all processes by device and inode.
    """
    try:
        status = os.stat(path)
        place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return "another process"
    # 1: FLOCK  ADVISORY  WRITE 713 08:01:1835 0 EOF; a line of a waiter has "->" after its number
    fields = (line.split() for line in lines if "->" not in line)
    pids = {int(words[4]) for words in fields if len(words) > 5 and words[1] == "FLOCK" and words[5] == place}
    if not pids:
        return "another process"
    return " and ".join(map(_described, sorted(pids)))


def _described(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return f"process {pid}"
    import pwd  # only for a message

    try:
        account = pwd.getpwuid(uid).pw_name
    except KeyError:
        account = str(uid)
    return f"process {pid} ({command[:80] or 'unnamed'}, account {account})"


class _Wait:
    """A thread that queues in the kernel, which keeps the order, while the caller watches the clock.

    It locks a duplicate of the descriptor, which shares the lock. If the caller has left by then, it unlocks.
    """

    def __init__(self, descriptor: int, kind: int) -> None:
        self._descriptor = os.dup(descriptor)
        self._kind = kind
        self._guard = threading.Lock()
        self._is_over = threading.Event()
        self._is_abandoned = False
        self._error: OSError | None = None
        _waiting.add(self)
        threading.Thread(target=self._run, name="file-lock", daemon=True).start()

    def end(self, path: Path) -> None:
        """Return once the lock is held, or raise."""
        try:
            if not self._is_over.wait(TELL_AFTER_SECONDS):
                tell_waiting.get()(f"Waiting for {path}, locked by {holder_of(path)}.")
                self._is_over.wait(max(0.0, LIMIT_SECONDS - TELL_AFTER_SECONDS))
        finally:  # a KeyboardInterrupt while waiting is one reason to leave
            with self._guard:
                self._is_abandoned = not self._is_over.is_set()
        if self._is_abandoned:
            raise LockHeldError(path, holder_of(path), LIMIT_SECONDS)
        if self._error is not None:
            raise self._error

    def forget(self) -> None:
        """Close the inherited descriptor in a forked child, where no thread will."""
        os.close(self._descriptor)

    def _run(self) -> None:
        try:
            fcntl.flock(self._descriptor, self._kind)
        except OSError as error:
            self._error = error
        with self._guard:
            _waiting.discard(self)
            if self._is_abandoned and self._error is None:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self._is_over.set()
            os.close(self._descriptor)


_waiting: set[_Wait] = set()


def _after_fork_in_child() -> None:
    while _waiting:
        _waiting.pop().forget()


os.register_at_fork(after_in_child=_after_fork_in_child)
