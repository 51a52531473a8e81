"""Notices that a training child makes no progress, by the child's own processor time.

Every part of its work announces itself (`core.progress`). A part may compute for a limited time, and be idle for as
long; waiting for a busy processor, or a machine that sleeps, counts as neither.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import psutil

_MOST_PER_LOOK = 2.0  # seconds: twice the usual; in the rest between two looks this process or the machine slept
_IDLE_SHARE = 0.01  # of one processor: waking up and waiting again costs less, computing costs more
_RUNNABLE = (psutil.STATUS_RUNNING, psutil.STATUS_WAKING)


class Usage(NamedTuple):
    """The processor time of a process, and whether it is ready to run."""

    cpu_seconds: float
    is_runnable: bool


def usage_of(pid: int) -> Usage | None:
    """Look at a process; None if it is gone."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return Usage(times.user + times.system, process.status() in _RUNNABLE)
    except psutil.Error:
        return None


class Watchdog:
    """Watches one request to a child; `look` is called about once a second."""

    def __init__(
        self,
        limit_seconds: float,
        *,
        look_at: Callable[[], Usage | None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to watch.

        Args:
            limit_seconds: How long one part may compute, and how long it may be idle; 0 sets no limit.
            look_at: Looks at the child.
            monotonic: The clock between two looks.
        """
        self._limit = limit_seconds
        self._look_at = look_at
        self._monotonic = monotonic
        self._part: tuple[int, str] | None = None
        self._busy = self._idle = 0.0
        self._looked_at = monotonic()
        self._cpu_seconds: float | None = None

    def look(self, part: tuple[int, str]) -> str | None:
        """Look once.

        Args:
            part: The number and name of the part that the child announced last.
        Returns:
            What is wrong, in words, once a limit is passed.
        """
        usage, now = self._look_at(), self._monotonic()
        elapsed = min(now - self._looked_at, _MOST_PER_LOOK)
        self._looked_at = now
        if usage is None or self._limit <= 0:
            return None
        computed = usage.cpu_seconds - (usage.cpu_seconds if self._cpu_seconds is None else self._cpu_seconds)
        self._cpu_seconds = usage.cpu_seconds
        if part != self._part:
            self._part, self._busy, self._idle = part, 0.0, 0.0
            return None
        self._busy += min(computed, elapsed)  # several threads at the same time count as one
        if computed < _IDLE_SHARE * elapsed and not usage.is_runnable:
            self._idle += elapsed
        if self._busy > self._limit:
            return f"computed for {self._busy:.0f} s at {part[1]} without getting on"
        if self._idle > self._limit:
            return f"did nothing for {self._idle:.0f} s at {part[1]}"
        return None
