"""The thread that commits measurements once a second; whoever measures never waits for a disk."""

import logging
import math
import sqlite3
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from core.clock import Clock, utc_now
from core.settings import TelemetrySettings
from core.telemetry.chunk import MAX_VALUE, to_us
from core.telemetry.errors import TelemetryError
from core.telemetry.store import EpochMetric, Sample, TelemetryStore

log = logging.getLogger(__name__)

COMMIT_SECONDS = 1.0
MAX_WAITING = 500_000
WAL_ALARM_BYTES = 64 << 20
_UPKEEP_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class WriterHealth:
    """How the writing goes, for the system health report and the status line."""

    n_waiting: int
    n_dropped: int  # for want of a disk for so long that the oldest had to go, or by a mistake that is in the log
    n_skipped: int  # not finite, so not stored
    wal_bytes: int
    failure: str | None

    @property
    def wal_alarm(self) -> bool:
        """Whether some reader keeps the write-ahead log from being recycled."""
        return self.wal_bytes > WAL_ALARM_BYTES


class TelemetryWriter:
    """Takes measurements from any thread and stores them from one of its own.

    A value that is not finite (NaN, infinity) is skipped and counted in `health()`: its place in the series stays
    a gap, which is what it is. While the store cannot be written, measurements wait in memory and are tried again.
    """

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
        self._path = path
        self._retention = retention or TelemetrySettings()
        self._clock = clock
        self._commit_seconds = commit_seconds
        self._samples: deque[Sample] = deque()
        self._epochs: deque[EpochMetric] = deque()
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._flushed: list[threading.Event] = []
        self._wake = threading.Event()
        self._closing = False
        self._n_dropped = self._n_skipped = self._wal_bytes = 0
        self._failure: str | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        self._store: TelemetryStore | None = TelemetryStore(path, self._retention)
        self._next_upkeep = clock() + _UPKEEP_EVERY
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def add(self, series: str, at: datetime, value: float) -> None:
        """Take one sample of a series; never blocks.

        Raises:
            TypeError: The time is naive.
        """
        at_us = to_us(at)
        if not abs(value) <= MAX_VALUE:
            self._skip()
            return
        self._samples.append(Sample(series, at_us, float(value)))

    def add_epoch(self, run_id: str, epoch: int, metrics: Mapping[str, float], at: datetime) -> None:
        """Take the metrics of one epoch; an epoch that is run again replaces its values. Never blocks.

        Raises:
            TypeError: The time is naive.
        """
        at_us = to_us(at)
        for name, value in metrics.items():
            if math.isfinite(value):
                self._epochs.append(EpochMetric(run_id, epoch, name, at_us, float(value)))
            else:
                self._skip()

    def flush(self, timeout_seconds: float = 10.0) -> None:
        """Wait until all that was added before is stored; call it before saying that an epoch is complete.

        Raises:
            TelemetryError: It could not be stored in time; it waits in memory and is tried again.
        """
        done = threading.Event()
        with self._lock:
            if self._closing:
                raise TelemetryError(f"The writer of {self._path} is closed.")
            self._flushed.append(done)
        self._wake.set()
        if not done.wait(timeout_seconds):
            raise TelemetryError(
                self._failure or f"{self._path} did not take the measurements within {timeout_seconds} s."
            )

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Store what waits, and end the thread. Closing twice is harmless."""
        with self._lock:
            self._closing = True
        self._wake.set()
        self._thread.join(timeout_seconds)

    def health(self) -> WriterHealth:
        """Tell how the writing goes."""
        return WriterHealth(
            n_waiting=len(self._samples) + len(self._epochs),
            n_dropped=self._n_dropped,
            n_skipped=self._n_skipped,
            wal_bytes=self._wal_bytes,
            failure=self._failure,
        )

    def __enter__(self) -> "TelemetryWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _skip(self) -> None:
        with self._lock:
            self._n_skipped += 1

    def _run(self) -> None:
        while True:
            self._wake.wait(self._commit_seconds)
            self._wake.clear()
            with self._lock:
                closing = self._closing
                flushed, self._flushed = self._flushed, []
            stored = self._commit()
            with self._lock:
                if stored:
                    for done in flushed:
                        done.set()
                else:  # those who wait go on waiting, for the next try
                    self._flushed = flushed + self._flushed
            if closing:
                break
        if self._store is not None:
            self._store.close()

    def _commit(self) -> bool:
        samples = [self._samples.popleft() for _ in range(len(self._samples))]
        epochs = [self._epochs.popleft() for _ in range(len(self._epochs))]
        try:
            if self._store is None:
                self._store = TelemetryStore(self._path, self._retention)
            if samples or epochs:
                self._store.write(samples, epochs)
                samples, epochs = [], []
            self._keep_up(self._store)
        except (TelemetryError, sqlite3.Error, OSError) as error:
            self._fail(error, samples, epochs)
            return not (samples or epochs)
        except Exception:
            # A mistake in one batch must not end the thread, and with it all measuring.
            log.exception("%d measurements could not be stored and are dropped", len(samples) + len(epochs))
            self._n_dropped += len(samples) + len(epochs)
            return True
        if self._failure is not None:
            log.info("%s can be written again", self._path)
            self._failure = None
        return True

    def _fail(self, error: Exception, samples: list[Sample], epochs: list[EpochMetric]) -> None:
        if self._failure is None:
            log.error("measurements wait in memory: %s", error)
        self._failure = str(error)
        self._samples.extendleft(reversed(samples))
        self._epochs.extendleft(reversed(epochs))
        while len(self._samples) > self._max_waiting:
            self._samples.popleft()
            self._n_dropped += 1
        if self._store is not None:  # opened anew at the next try, should the file have been replaced
            self._store.close()
            self._store = None

    def _keep_up(self, store: TelemetryStore) -> None:
        self._wal_bytes = store.wal_bytes()
        now = self._clock()
        if now < self._next_upkeep:
            return
        self._next_upkeep = now + _UPKEEP_EVERY
        store.roll_up(now)
        store.expire(now)
        if self._wal_bytes > WAL_ALARM_BYTES:
            log.warning(
                "%s-wal has grown to %d MB: some reader keeps a transaction open", self._path, self._wal_bytes >> 20
            )
            store.recycle_wal()
