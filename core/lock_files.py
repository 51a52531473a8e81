"""Lock files: how they are opened, waited for within a limit, and released."""

import fcntl
import os
import time
from pathlib import Path

from core.files import open_to_write


def open_lock(path: Path) -> int:
    """Open a lock file, and make it for its owner alone if there is none; return its descriptor.

    Raises:
        OSError: It can be neither opened nor created.
    """
    # For reading, which is enough to lock it; without waiting for the other end of a pipe of this name.
    return open_to_write(path, os.O_RDONLY | os.O_CREAT)


def locked_within(descriptor: int, seconds: float, *, pause_seconds: float) -> bool:
    """Lock an open file exclusively.

    Args:
        descriptor: The file, open in any mode.
        seconds: How long to try, at least once.
        pause_seconds: The time between two attempts.
    Returns:
        Whether it is locked now.
    Raises:
        OSError: The file cannot be locked.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause_seconds)
        else:
            return True


def unlock(descriptor: int) -> None:
    """Release the lock of a file, and close it."""
    # Not only by closing: a child between fork and exec holds a copy of the descriptor, and with it the lock.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
