"""Writing predictions and outcomes: in batches, each route stored once, the oldest deleted by the segment."""

import logging
import math
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from core.clock import Clock, utc_now
from core.telemetry.chunk import to_us
from core.telemetry.committer import COMMIT_SECONDS, Committer
from core.telemetry.errors import TelemetryError, translated
from core.telemetry.predictions.records import OutcomeRecord, PredictionRecord, request_number
from core.telemetry.predictions.schema import Segment, add_segment, drop_segment, open_store, segments_of

log = logging.getLogger(__name__)

MAX_WAITING = 100_000
KEEP_HOURS = 24.0
KEEP_ROWS = 10_000_000
_BATCH = 20_000  # a transaction of 0.1 s: another server process waits no longer than that
_LEAST_SLICE = 1_000
_SEGMENT_ROWS = 500_000
_SEGMENTS_KEPT = 24

_ADD_PREDICTION = "INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_OUTCOME = "INSERT OR IGNORE INTO outcome (request, at, actual, loss) VALUES (?, ?, ?, ?)"
_ADD_ROUTE = "INSERT OR IGNORE INTO route (model, version, rollout, arm, share) VALUES (?, ?, ?, ?, ?)"
_FIND_ROUTE = "SELECT id FROM route WHERE model = ? AND version = ? AND rollout = ? AND arm = ? AND share = ?"


@dataclass(frozen=True, slots=True)
class PredictionHealth:
    """The state of the writer, for `/metrics` and the health report."""

    n_waiting: int
    n_stored: int
    n_dropped: int  # because the disk was too slow, or because of an error in the log
    failure: str | None


class PredictionWriter(Committer):
    """Takes predictions and outcomes from any thread and stores them from one of its own.

    When the queue is full, new records are dropped and counted, so that answers continue. Non-finite values are stored
    as missing. Several processes may each have a writer on the same file.
    """

    _WHAT = "predictions"

    def __init__(
        self,
        file: Path,
        *,
        clock: Clock = utc_now,
        commit_seconds: float = COMMIT_SECONDS,
        max_waiting: int = MAX_WAITING,
        keep_hours: float = KEEP_HOURS,
        keep_rows: int = KEEP_ROWS,
    ) -> None:
        """Open the store, make it if there is none, and start the thread.

        Args:
            file: The store; `Workspace.predictions_file`.
            clock: For retention.
            commit_seconds: How often what waits is committed.
            max_waiting: How many may wait before new ones are dropped.
            keep_hours: How long predictions and outcomes are kept.
            keep_rows: How many predictions, and how many outcomes, are kept at most.
        Raises:
            TelemetryDamagedError: The file is damaged; the message names the way back.
            TelemetryError: It cannot be opened.
        """
        super().__init__(file, commit_seconds)
        self._clock = clock
        self._max_waiting = max_waiting
        self._kept = timedelta(hours=keep_hours)
        self._keep_rows = keep_rows
        self._predictions: deque[PredictionRecord] = deque()
        self._outcomes: deque[OutcomeRecord] = deque()
        self._routes: dict[tuple[str, str, str, str, float], int] = {}
        self._n_stored = self._n_dropped = 0
        self._connection: sqlite3.Connection | None = open_store(file)
        self._opened()
        self._start()

    def add(self, prediction: PredictionRecord) -> bool:
        """Take one prediction; never blocks.

        Returns:
            False when it was dropped, because too many wait already.
        """
        return self._take(self._predictions, prediction)

    def add_outcome(self, outcome: OutcomeRecord) -> bool:
        """Take one outcome; never blocks. Returns False when it was dropped."""
        return self._take(self._outcomes, outcome)

    def health(self) -> PredictionHealth:
        """Return the state of the writer."""
        n_waiting = len(self._predictions) + len(self._outcomes)
        return PredictionHealth(n_waiting, self._n_stored, self._n_dropped, self._failure)

    def _take(self, queue: deque[Any], record: PredictionRecord | OutcomeRecord) -> bool:
        if len(queue) >= self._max_waiting:
            with self._lock:
                self._n_dropped += 1
            return False
        queue.append(record)
        return True

    def _commit(self) -> bool:
        """Store all queued records now; records that cannot be stored now stay at the head of the queue."""
        # Predictions first: a reader that finds an outcome must find its prediction.
        for queue, store in ((self._predictions, self._store_predictions), (self._outcomes, self._store_outcomes)):
            n_left = len(queue)
            while n_left:
                batch = list(islice(queue, min(n_left, _BATCH)))
                n_done = self._store(store, batch)
                for _ in range(n_done):
                    queue.popleft()
                if n_done < len(batch):
                    return False
                n_left -= n_done
        return True

    def _store(self, store: Callable[[sqlite3.Connection, Any], None], batch: list[Any]) -> int:
        """Store a batch in one transaction; return how many of it are done with, stored or dropped."""
        try:
            self._transact(store, batch)
        except Exception as error:
            self._routes.clear()
            if not _is_mistake(error):
                self._fail(error)
                return 0
            if len(batch) > 1:  # one unstorable record must not block the others
                middle = len(batch) // 2
                n_done = self._store(store, batch[:middle])
                return n_done if n_done < middle else n_done + self._store(store, batch[middle:])
            log.exception("dropped a record that cannot be stored: %r", batch[0])
            with self._lock:
                self._n_dropped += 1
            return 1
        self._n_stored += len(batch)
        if self._failure is not None:
            log.info("telemetry writes to %s work again", self._file)
            self._failure = None
        return len(batch)

    def _transact(self, store: Callable[[sqlite3.Connection, Any], None], batch: list[Any]) -> None:
        if self._connection is None:
            self._connection = open_store(self._file)
            self._opened()
        connection = self._connection
        with translated(self._file):
            connection.execute("BEGIN IMMEDIATE")
            try:
                store(connection, batch)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            log.error("telemetry write failed; buffering predictions in memory: %s", error)
        self._failure = str(error)
        self._close_store()  # reopened at the next attempt, in case the file was replaced

    def _close_store(self) -> None:
        self._routes.clear()  # another file numbers its routes again
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _store_predictions(self, connection: sqlite3.Connection, batch: Iterable[PredictionRecord]) -> None:
        segment = self._make_room(connection)
        routes = self._routes
        rows = []
        for seq, prediction in enumerate(batch, segment.last + 1):
            request_id, at, model, version, latency_ms, error, value, rollout_id, arm, share, unit, slices = prediction
            key = (model, version, rollout_id or "", arm, share)
            route = routes.get(key) or self._add_route(connection, key)
            number = request_number(request_id)
            rows.append((seq, route, number, to_us(at), _finite(latency_ms), error, _finite(value), unit, slices))
        connection.executemany(_ADD_PREDICTION.format(table=segment.table), rows)

    def _store_outcomes(self, connection: sqlite3.Connection, batch: Iterable[OutcomeRecord]) -> None:
        rows = [
            (request_number(request_id), to_us(at), _finite(actual), _finite(loss))
            for request_id, at, actual, loss in batch
        ]
        connection.executemany(_ADD_OUTCOME, rows)
        self._expire_outcomes(connection, 2 * len(rows))

    def _add_route(self, connection: sqlite3.Connection, key: tuple[str, str, str, str, float]) -> int:
        connection.execute(_ADD_ROUTE, key)
        (route,) = connection.execute(_FIND_ROUTE, key).fetchone()
        self._routes[key] = int(route)
        return int(route)

    def _make_room(self, connection: sqlite3.Connection) -> Segment:
        """Return the segment to write to, a new one when its time has come, and drop those that are too many or old."""
        now_us = to_us(self._clock())
        kept_us = self._kept // timedelta(microseconds=1)
        segments = segments_of(connection)
        newest = segments[-1] if segments else None
        rows = min(_SEGMENT_ROWS, max(1, self._keep_rows // _SEGMENTS_KEPT))
        if newest is None or newest.n >= rows or (newest.n and now_us - newest.begun_us >= kept_us // _SEGMENTS_KEPT):
            newest = add_segment(connection, newest, now_us)
            segments.append(newest)
        for segment, following in pairwise(segments):
            is_old = following.begun_us < now_us - kept_us
            if is_old or newest.last - following.first + 1 >= self._keep_rows:
                drop_segment(connection, segment)
        return newest

    def _expire_outcomes(self, connection: sqlite3.Connection, n_at_most: int) -> None:
        """Delete a slice of the oldest outcomes when they are too old or too many: at most twice of what came."""
        limit_us = to_us(self._clock() - self._kept)
        first, last = connection.execute("SELECT min(seq), max(seq) FROM outcome").fetchone()
        end = first + max(n_at_most, _LEAST_SLICE)
        (young,) = connection.execute(
            "SELECT coalesce(min(seq), ?2) FROM outcome WHERE seq BETWEEN ?1 AND ?2 AND at >= ?3",
            (first, end, limit_us),
        ).fetchone()
        connection.execute("DELETE FROM outcome WHERE seq < ?", (max(young, min(last + 1 - self._keep_rows, end)),))


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None


def _is_mistake(error: Exception) -> bool:
    """Tell an unstorable record from a store that cannot be written now."""
    refusals = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
    return not isinstance(error, TelemetryError | OSError) or isinstance(error.__cause__, refusals)
