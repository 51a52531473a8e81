"""Writing measurements: samples of series, and the metrics of epochs."""

import logging
import math
import sqlite3
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from core.clock import Clock, utc_now
from core.periodic import Periodic
from core.settings import TelemetrySettings
from core.telemetry.chunk import MAX_VALUE, to_us
from core.telemetry.committer import COMMIT_SECONDS, Committer
from core.telemetry.epoch_store import EpochMetric
from core.telemetry.errors import TelemetryError
from core.telemetry.store import MetricSample, TelemetryStore

log = logging.getLogger(__name__)

MAX_WAITING = 500_000
WAL_ALARM_BYTES = 64 << 20
_MAINTENANCE_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class WriterHealth:
    """The state of the writer, for the system health report and the status line."""

    n_waiting: int
    n_dropped: int  # the oldest, because the disk was unavailable for too long, or because of an error in the log
    n_skipped: int  # not finite, so not stored
    wal_bytes: int
    failure: str | None

    @property
    def wal_alarm(self) -> bool:
        """Whether some reader keeps the write-ahead log from being recycled."""
        return self.wal_bytes > WAL_ALARM_BYTES


class TelemetryWriter(Committer):
    """Takes measurements from any thread and stores them from one of its own.

    A value that is not finite (NaN, infinity) is skipped and counted in `health()`: its place in the series stays
    a gap, which is what it is. While the store cannot be written, measurements wait in memory and are tried again.
    """

    _WHAT = "measurements"

    def __init__(
        self,
        path: Path,
        *,
        retention: TelemetrySettings | None = None,
        clock: Clock = utc_now,
        commit_seconds: float = COMMIT_SECONDS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """Open the store, make it if there is none, and start the thread.

        Raises:
            TelemetryDamagedError: The file is damaged; the message names the way back.
            TelemetryError: It cannot be opened.
        """
        super().__init__(path, commit_seconds)
        self._retention = retention or TelemetrySettings()
        self._clock = clock
        self._samples: deque[MetricSample] = deque()
        self._epochs: deque[EpochMetric] = deque()
        self._max_waiting = max_waiting
        self._n_dropped = self._n_skipped = self._wal_bytes = 0
        self._store: TelemetryStore | None = TelemetryStore(path, self._retention)
        self._maintenance = Periodic(_MAINTENANCE_EVERY, first_at=clock() + _MAINTENANCE_EVERY)
        self._opened()
        self._start()

    def add(self, series: str, at: datetime, value: float) -> None:
        """Take one sample of a series; never blocks.

        Raises:
            TypeError: The time is naive.
        """
        at_us = to_us(at)
        if not abs(value) <= MAX_VALUE:
            self._skip()
            return
        self._samples.append(MetricSample(series, at_us, float(value)))

    def add_epoch(self, run_id: str, epoch: int, metrics: Mapping[str, float], at: datetime) -> None:
        """Take the metrics of one epoch; an epoch that is run again replaces its values. Never blocks.

        A value that is not finite leaves a gap in the history, and `TelemetryReader.unmeasured` names its metric.

        Raises:
            TypeError: The time is naive.
        """
        at_us = to_us(at)
        for name, value in metrics.items():
            is_finite = math.isfinite(value)
            if not is_finite:
                self._skip()
            # SQLite cannot keep NaN; infinity marks a step whose value is not finite, whatever it was.
            self._epochs.append(EpochMetric(run_id, epoch, name, at_us, float(value) if is_finite else math.inf))

    def health(self) -> WriterHealth:
        """Return the state of the writer."""
        return WriterHealth(
            n_waiting=len(self._samples) + len(self._epochs),
            n_dropped=self._n_dropped,
            n_skipped=self._n_skipped,
            wal_bytes=self._wal_bytes,
            failure=self._failure,
        )

    def _skip(self) -> None:
        with self._lock:
            self._n_skipped += 1

    def _commit(self) -> bool:
        samples = [self._samples.popleft() for _ in range(len(self._samples))]
        epochs = [self._epochs.popleft() for _ in range(len(self._epochs))]
        try:
            if self._store is None:
                self._store = TelemetryStore(self._file, self._retention)
                self._opened()
            if samples or epochs:
                self._store.write(samples, epochs)
                samples, epochs = [], []
            self._keep_up(self._store)
        except (TelemetryError, sqlite3.Error, OSError) as error:
            self._put_back(samples, epochs)
            self._fail(error)
            return not (samples or epochs)
        except Exception:
            # A mistake in one batch must not end the thread, and with it all measuring.
            log.exception("dropped %d measurements that could not be stored", len(samples) + len(epochs))
            self._n_dropped += len(samples) + len(epochs)
            return True
        self._recover()
        return True

    def _put_back(self, samples: list[MetricSample], epochs: list[EpochMetric]) -> None:
        self._samples.extendleft(reversed(samples))
        self._epochs.extendleft(reversed(epochs))
        while len(self._samples) > self._max_waiting:
            self._samples.popleft()
            self._n_dropped += 1

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _keep_up(self, store: TelemetryStore) -> None:
        self._wal_bytes = store.wal_bytes()
        now = self._clock()
        if not self._maintenance.is_due(now):
            return
        store.roll_up(now)
        store.expire(now)
        store.shrink()
        if self._wal_bytes > WAL_ALARM_BYTES:
            log.warning(
                "%s-wal has grown to %d MB: a reader keeps a transaction open", self._file, self._wal_bytes >> 20
            )
            store.recycle_wal()
