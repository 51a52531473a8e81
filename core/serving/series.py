"""Recording the counters of a server as series, for the rule files that look at them: by one of its processes."""

import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client.core import Metric

from core.lock_files import locked_within, open_lock, unlock
from core.metrics.recording import LOOK_SECONDS, MetricRecording

log = logging.getLogger(__name__)

JOB = "bondx-server"


class SeriesRecorder:
    """A thread that records what all processes of a server have counted, in the process that holds the lock.

    The kernel releases the lock of a process that ends, however it ends: then another one goes on with the same series.
    """

    def __init__(
        self,
        make: Callable[[], MetricRecording],
        measure: Callable[[], Iterable[Metric]],
        *,
        lock: Path | None = None,
        look_seconds: float = LOOK_SECONDS,
        each_step: Callable[[], None] = lambda: None,
        is_on: bool = True,
    ) -> None:
        """Prepare; nothing is recorded before `start`.

        Args:
            make: Returns the recording; called in the thread once the lock is held.
            measure: Returns the metrics of the server.
            lock: The file whose lock the recording process holds; None if the server is one process.
            look_seconds: How often a process without the lock tries to get it.
            each_step: Called in the thread at every step, in every process: what follows the settings.
            is_on: Whether anything is recorded; else each step is all that happens.
        """
        self._make, self._measure = make, measure
        self._lock, self._look_seconds, self._each_step = lock, look_seconds, each_step
        self._is_on = is_on
        self._descriptor: int | None = None
        self._recording: MetricRecording | None = None
        self._stopping = threading.Event()
        self._ends_series = True
        self._thread = threading.Thread(target=self._run, name="series", daemon=True)

    def start(self) -> None:
        """Begin to record, or to wait for the lock."""
        self._thread.start()

    def stop(self, *, ends_series: bool = True) -> None:
        """Stop. Safe to repeat.

        Args:
            ends_series: Whether the server ends with this process; else another process goes on with the series.
        """
        self._ends_series = ends_series
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._stopping.wait(self._step())
        finally:
            self._end()

    def _step(self) -> float:
        """Record if this process is the one that records; return the seconds until the next step."""
        try:
            self._each_step()
            if not self._is_on:
                return self._look_seconds
            if self._recording is None:
                if not self._holds_lock():
                    return self._look_seconds
                self._recording = self._make()
            return self._recording.record_if_due(self._measure)
        except Exception:  # predictions are answered whether or not series are recorded
            log.exception("the series of the server could not be recorded")
            return self._look_seconds

    def _holds_lock(self) -> bool:
        if self._lock is None or self._descriptor is not None:
            return True
        descriptor = open_lock(self._lock)
        if locked_within(descriptor, 0.0, pause_seconds=0.0):
            self._descriptor = descriptor
            return True
        os.close(descriptor)
        return False

    def _end(self) -> None:
        try:
            if self._recording is not None:
                self._recording.end(ends_series=self._ends_series)
        except Exception:
            log.exception("the series of the server could not be ended")
        finally:
            if self._descriptor is not None:
                unlock(self._descriptor)
                self._descriptor = None
