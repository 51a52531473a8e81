"""Writing sampled rows of features: in batches, the oldest deleted by age and by number."""

import logging
import sqlite3
from collections import deque
from datetime import timedelta
from pathlib import Path

from core.clock import Clock, utc_now
from core.errors import CoreError
from core.periodic import Periodic
from core.settings.feature_log import FeatureLogSettings
from core.telemetry.committer import COMMIT_SECONDS, Committer
from core.telemetry.compaction import shrink
from core.telemetry.errors import translated
from core.telemetry.features.records import FeatureBatch, packed_batch
from core.telemetry.features.schema import open_store
from core.telemetry.writing import WriteConnection

log = logging.getLogger(__name__)

MOST_WAITING = 100_000  # rows
PRUNE_EVERY = timedelta(minutes=1)
_BATCHES = 500  # stored or deleted in one transaction

_ADD = "INSERT INTO batch (model, version, at, n, content) VALUES (?, ?, ?, ?, ?)"
_OLDEST = "SELECT seq, at, n FROM batch ORDER BY at, seq LIMIT ?"
_FORGET = "DELETE FROM batch WHERE seq = ?"


class FeatureWriter(Committer):
    """Takes sampled rows from any thread, and stores them from one of its own; several processes take turns.

    While the store cannot be written, rows wait in memory; beyond the limit, new ones are dropped and counted.

    Attributes:
        n_dropped: Rows dropped.
    """

    _WHAT = "logged features"

    def __init__(
        self,
        file: Path,
        limits: FeatureLogSettings,
        *,
        clock: Clock = utc_now,
        commit_seconds: float = COMMIT_SECONDS,
        max_waiting: int = MOST_WAITING,
    ) -> None:
        """Open the store, make it if there is none, and start the thread.

        Args:
            file: The store; `Workspace.features_file`.
            limits: How long, and how many, rows are kept.
            clock: For retention.
            commit_seconds: How often what waits is committed.
            max_waiting: How many rows may wait.
        Raises:
            TelemetryDamagedError: The file is damaged; the message names the way back.
            TelemetryError: It cannot be opened.
        """
        super().__init__(file, commit_seconds)
        self._limits = limits
        self._clock = clock
        self._max_waiting = max_waiting
        self._queue: deque[FeatureBatch] = deque()
        self._n_waiting = 0
        self.n_dropped = 0
        self._pruning = Periodic(PRUNE_EVERY, first_at=clock())
        self._connection: WriteConnection | None = open_store(file)
        self._opened()
        self._start()

    def add(self, batch: FeatureBatch) -> bool:
        """Take some rows; never blocks. Returns False when they were dropped, because too many wait already."""
        n = len(batch.requests)
        with self._lock:
            if self._queue and self._n_waiting + n > self._max_waiting:
                self.n_dropped += n
                return False
            self._queue.append(batch)
            self._n_waiting += n
        return True

    def _commit(self) -> bool:
        while self._queue:
            with self._lock:
                batches = [self._queue[at] for at in range(min(len(self._queue), _BATCHES))]
            try:
                self._store(batches)
            except (CoreError, sqlite3.Error, OSError) as error:
                self._fail(error)
                return False
            with self._lock:
                for each in batches:
                    self._queue.popleft()
                    self._n_waiting -= len(each.requests)
            self._recover()
        self._prune()
        return True

    def _store(self, batches: list[FeatureBatch]) -> None:
        rows = [(each.model, each.version, max(each.at), len(each.requests), packed_batch(each)) for each in batches]
        connection = self._connected()
        with translated(self._file), connection.transaction():
            connection.executemany(_ADD, rows)

    def _connected(self) -> WriteConnection:
        if self._connection is None:
            self._connection = open_store(self._file)
            self._opened()
        return self._connection

    def _prune(self) -> None:
        """Delete the batches that are too old or too many; what fails is tried again a minute later."""
        now = self._clock()
        if not self._pruning.is_due(now):
            return
        limit = (now - timedelta(days=self._limits.keep_days)).timestamp()
        try:
            connection = self._connected()
            with translated(self._file):
                with connection.transaction():
                    (n_rows,) = connection.execute("SELECT coalesce(sum(n), 0) FROM batch").fetchone()
                    for seq, at, n in connection.execute(_OLDEST, (_BATCHES,)).fetchall():
                        if at >= limit and n_rows <= self._limits.keep_rows:
                            break
                        connection.execute(_FORGET, (seq,))
                        n_rows -= n
                shrink(connection)
        except (CoreError, sqlite3.Error, OSError) as error:
            log.warning("%s could not be pruned: %s", self._file.name, error)
            self._close_store()

    def _close_store(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
