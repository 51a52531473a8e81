"""What a long computation is at: named where it happens, heard by whoever watches over the process.

A computation cannot be asked from outside whether it gets on. Each part of it says so itself when it begins.
"""

import threading
from collections.abc import Callable, Iterable


def _nobody(part: str) -> None:
    """Listen to nothing: most programs watch their computations by other means."""


_listener: Callable[[str], None] = _nobody


def begins(part: str) -> None:
    """Say that a part of the work begins.

    Args:
        part: For people, such as "the gate house_rows".
    """
    _listener(part)


def listen(listener: Callable[[str], None]) -> None:
    """Be told of every part that begins in this process, from any of its threads."""
    global _listener  # noqa: PLW0603 - one process computes for one listener
    _listener = listener


class SideBySide:
    """Parts that run at the same time: those not done yet are what the work is at."""

    def __init__(self, kind: str, names: Iterable[str]) -> None:
        """Announce them all.

        Args:
            kind: What they are, in the plural.
            names: Their names.
        """
        self._kind = kind
        self._left = list(names)
        self._lock = threading.Lock()
        self._announce()

    def is_done(self, name: str) -> None:
        """Announce the rest; called from any thread."""
        with self._lock:
            self._left.remove(name)
            self._announce()

    def _announce(self) -> None:
        if self._left:
            begins(f"{self._kind} {', '.join(self._left)}")
