"""The progress of a long computation: each of its parts announces itself, and the watchdog of the process listens.

From outside, a process that computes cannot be told from a process that is stuck.
"""

import threading
from collections.abc import Callable, Iterable


def _ignore(part: str) -> None:
    """Ignore the announcement: most programs do not watch their computations."""


_listener: Callable[[str], None] = _ignore


def begins(part: str) -> None:
    """Announce that a part of the work begins.

    Args:
        part: For people, such as "the gate house_rows".
    """
    _listener(part)


def listen(listener: Callable[[str], None]) -> Callable[[str], None]:
    """Call a function with every part that begins in this process, from any of its threads; return the earlier one."""
    global _listener
    earlier, _listener = _listener, listener
    return earlier


class SideBySide:
    """Parts that run at the same time; the announced part of the work is the list of unfinished parts."""

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
