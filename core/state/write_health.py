"""What keeps a workspace from being written: a full disk, or a write that the operating system refused.

An alert about a full disk cannot be written to that disk. So every process looks for itself, and an engine whose writes
are refused says so in its lease, which it overwrites in place.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from core.files import takes_another

FULL_BELOW_BYTES = 1 << 20
"""A disk with less room counts as full: the next generation of a state file takes about as much."""
TRIAL_SECONDS = 5.0
"""How often a process tries to write again after it was refused."""
CURE = "Nothing can be recorded: no change, no alert, no checkpoint. Free some space."


def disk_problem(root: Path) -> str | None:
    """Say that the disk of a workspace is full, by one system call; None while it has room, or cannot be asked.

    Args:
        root: The folder of the workspace.
    """
    try:
        disk = os.statvfs(root)
    except OSError:
        return None  # the folder is gone, which its readers say
    free = disk.f_bavail * disk.f_frsize
    if free < FULL_BELOW_BYTES:
        return f"the disk of {root} is full: {free / 1024:,.0f} KiB free. {CURE}"
    if disk.f_files and not disk.f_favail:
        return f"the disk of {root} has no inode left for another file. {CURE}"
    return None


def is_read_only(root: Path) -> bool:
    """Say whether a workspace lies on a volume that is mounted read-only, such as that of a replica.

    Args:
        root: The folder of the workspace.
    """
    try:
        return bool(os.statvfs(root).f_flag & os.ST_RDONLY)
    except OSError:
        return False  # the folder is gone, which its readers say


class RefusedWrites:
    """The writes that this process was refused, until a write of as many bytes succeeds. Safe between threads."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._refused: dict[Path, str] = {}
        self._next_trial_at = 0.0

    def refused(self, file: Path, error: Exception) -> None:
        """Remember that a file could not be written."""
        with self._lock:
            self._refused[file] = str(error)
            self._next_trial_at = self._monotonic() + TRIAL_SECONDS

    def written(self, file: Path) -> None:
        """Forget an earlier refusal: the file was written."""
        if self._refused:
            with self._lock:
                self._refused.pop(file, None)

    def within(self, root: Path) -> str | None:
        """Say which write was refused last inside a folder; None once writes succeed again.

        Args:
            root: The folder.
        """
        if not self._refused:
            return None
        with self._lock:
            if self._monotonic() >= self._next_trial_at:
                self._next_trial_at = self._monotonic() + TRIAL_SECONDS
                self._refused = {file: why for file, why in self._refused.items() if not takes_another(file)}
            told = [why for file, why in self._refused.items() if root in file.parents]
        return told[-1] if told else None


REFUSED_WRITES = RefusedWrites()
"""Those of this process."""


def write_problem(root: Path) -> str | None:
    """Say why this process can write nothing to a workspace, or None.

    Args:
        root: The folder of the workspace.
    """
    if (full := disk_problem(root)) is not None:
        return full
    refused = REFUSED_WRITES.within(root)
    return None if refused is None else f"the last change was refused: {refused}"
