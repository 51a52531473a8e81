"""Writing predictions and outcomes: in batches, each route stored once, the oldest deleted by the segment."""

import logging
import math
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from core.clock import Clock, utc_now
from core.periodic import Periodic
from core.settings.telemetry import PredictionRetention
from core.telemetry.chunk import to_us
from core.telemetry.committer import COMMIT_SECONDS, Committer
from core.telemetry.compaction import shrink
from core.telemetry.errors import TelemetryError, translated
from core.telemetry.predictions.records import OutcomeRecord, PredictionRecord, request_number
from core.telemetry.predictions.retention import Expiry, segment_to_write
from core.telemetry.predictions.routes import RouteKey, add_route, key_of
from core.telemetry.predictions.schema import (
    FEW_PAGES_KIB,
    MANY_PAGES_KIB,
    delete_forgotten,
    forgotten_tables,
    open_store,
    segments_of,
)
from core.telemetry.predictions.traffic import count_traffic
from core.telemetry.predictions.waiting import match_new_outcomes, match_new_predictions
from core.telemetry.writing import WriteConnection

log = logging.getLogger(__name__)

MAX_WAITING = 100_000
_UPKEEP_EVERY = timedelta(minutes=1)
_BATCH = 10_000  # a transaction of 50 ms; smaller ones write each page of an index more often
_PIECE = 20_000  # rows of a forgotten segment, deleted in a transaction of 10 ms
_PIECES_A_COMMIT = 4
_FEW = 200
"""Records of a transaction, up to which the pages that it changes fit into the small cache."""
_MOST_ROUTES = 1_000
"""Each rollout has routes of its own; most of those that are known have had their last prediction."""

_ADD_PREDICTION = "INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_GROWN = "UPDATE segment SET last = ?, n = n + ? WHERE id = ?"


@dataclass(frozen=True, slots=True)
class PredictionHealth:
    """The state of the writer, for `/metrics` and the health report."""

    n_waiting: int
    n_stored: int
    n_dropped: int  # because the disk was too slow, or because of an error in the log
    failure: str | None
    n_matched: int = 0  # outcomes that found their prediction
    n_unmatched: int = 0  # outcomes that did not, when they came; some found it later
    n_refused: int = 0  # outcomes that came before their prediction, and then said nothing about it


class PredictionWriter(Committer):
    """Takes predictions and outcomes from any thread and stores them from one of its own.

    When the queue is full, new records are dropped and counted, so that answers continue. Non-finite values are stored
    as missing. Several processes may each have a writer on the same file; they take turns. Outcomes that `flush` has
    returned for survive a power cut, with the predictions stored before them; predictions alone may be lost for the
    last seconds, since nobody has been promised them.
    """

    _WHAT = "predictions"

    def __init__(
        self,
        file: Path,
        *,
        clock: Clock = utc_now,
        commit_seconds: float = COMMIT_SECONDS,
        max_waiting: int = MAX_WAITING,
        retention: PredictionRetention | None = None,
        held_since: Callable[[], Mapping[str, datetime]] = dict,
    ) -> None:
        """Open the store, make it if there is none, and start the thread.

        Args:
            file: The store; `Workspace.predictions_file`.
            clock: For retention.
            commit_seconds: How often what waits is committed.
            max_waiting: How many may wait before new ones are dropped.
            retention: How long, and how many, predictions and outcomes are kept; the defaults if None.
            held_since: By model, since when predictions are kept however old they are: an active rollout needs them.
        Raises:
            TelemetryDamagedError: The file is damaged; the message names the way back.
            TelemetryError: It cannot be opened.
        """
        super().__init__(file, commit_seconds)
        self._clock = clock
        self._upkeep = Periodic(_UPKEEP_EVERY, first_at=clock() + _UPKEEP_EVERY)
        self._max_waiting = max_waiting
        self._retention = retention or PredictionRetention()
        self._expiry = Expiry(self._retention, held_since)
        self._predictions: deque[PredictionRecord] = deque()
        self._outcomes: deque[OutcomeRecord] = deque()
        self._routes: dict[RouteKey, int] = {}
        self._chains: dict[str, str] = {}  # by model
        self._pages_kib = FEW_PAGES_KIB
        self._n_largest = 0  # of the transactions since the last upkeep
        self._n_stored = self._n_dropped = 0
        self._outcomes_met = Counter[str]()  # matched, unmatched, refused
        self._just_met = Counter[str]()  # the same, of the transaction under way
        self._connection: WriteConnection | None = open_store(file)
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
        met = self._outcomes_met
        return PredictionHealth(
            n_waiting,
            self._n_stored,
            self._n_dropped,
            self._failure,
            n_matched=met["matched"],
            n_unmatched=met["unmatched"],
            n_refused=met["refused"],
        )

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
        if self._connection is not None:
            try:
                with translated(self._file):
                    self._keep_up(self._connection)
            except TelemetryError as error:  # nothing is lost: all records are stored
                log.warning("%s could not be shrunk: %s", self._file.name, error)
        return True

    def _keep_up(self, connection: WriteConnection) -> None:
        """Delete what is forgotten or expired, and give its space back: a little at a time, each in a transaction."""
        for _ in range(_PIECES_A_COMMIT):
            if not forgotten_tables(connection):
                break
            with connection.transaction():
                delete_forgotten(connection, _PIECE)
            connection.give_way()
        now = self._clock()
        if not self._upkeep.is_due(now):
            return
        if self._n_largest <= _FEW:
            self._hold_pages(connection, FEW_PAGES_KIB)
        self._n_largest = 0
        with connection.transaction():
            self._expiry.expire_traffic(connection, now)
        shrink(connection)

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
        if log.isEnabledFor(logging.DEBUG):
            log.debug("stored: %s", " ".join(_requests(batch)))
        self._recover()
        return len(batch)

    def _transact(self, store: Callable[[sqlite3.Connection, Any], None], batch: list[Any]) -> None:
        if self._connection is None:
            self._connection = open_store(self._file)
            self._opened()
        connection = self._connection
        self._n_largest = max(self._n_largest, len(batch))
        self._just_met.clear()
        with translated(self._file):
            if len(batch) > _FEW:
                self._hold_pages(connection, MANY_PAGES_KIB)
            with connection.transaction(is_durable=isinstance(batch[0], OutcomeRecord)):
                store(connection, batch)
        self._outcomes_met.update(self._just_met)

    def _hold_pages(self, connection: sqlite3.Connection, kib: int) -> None:
        """Hold as many pages of the store in memory.

        Every prediction changes a page of an index, any of them. At thousands a second it must not be read again each
        time; at a few a second SQLite would fill the large cache over hours, without being any faster.
        """
        if kib != self._pages_kib:
            connection.execute(f"PRAGMA cache_size = -{kib}")
            self._pages_kib = kib

    def _close_store(self) -> None:
        self._pages_kib = FEW_PAGES_KIB
        self._routes.clear()  # another file numbers its routes again
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _store_predictions(self, connection: sqlite3.Connection, batch: Iterable[PredictionRecord]) -> None:
        segments = segments_of(connection)
        first = max((segment.last for segment in segments), default=0) + 1
        routes, retention = self._routes, self._retention
        by_chain: dict[str, list[tuple[Any, ...]]] = {}
        for seq, prediction in enumerate(batch, first):
            key = key_of(prediction)
            route = routes.get(key)
            if route is None:
                if len(routes) >= _MOST_ROUTES:
                    routes.clear()
                route = routes[key] = add_route(connection, key)
            model = prediction.model
            chain = self._chains.get(model)
            if chain is None:
                chain = self._chains[model] = retention.chain(model)
            by_chain.setdefault(chain, []).append(
                (
                    seq, route, request_number(prediction.request_id), to_us(prediction.at),
                    _finite(prediction.latency_ms), prediction.error, _finite(prediction.value), prediction.unit,
                    prediction.slices, prediction.detail,
                )
            )  # fmt: skip
        now = self._clock()
        for chain, rows in by_chain.items():
            segment = segment_to_write(connection, retention, chain, to_us(now))
            connection.executemany(_ADD_PREDICTION.format(table=segment.table), rows)
            count_traffic(connection, rows)
            connection.execute(_GROWN, (rows[-1][0], len(rows), segment.id))
            n_late, n_refused = match_new_predictions(connection, segment, rows[0][0], to_us(now))
            self._just_met.update(matched=n_late, refused=n_refused)
        self._expiry.forget_segments(connection, now)

    def _store_outcomes(self, connection: sqlite3.Connection, batch: Iterable[OutcomeRecord]) -> None:
        rows = [
            (request_number(outcome.request_id), to_us(outcome.at), _finite(outcome.actual), _finite(outcome.loss),
             outcome.name)
            for outcome in batch
        ]  # fmt: skip
        n_matched, n_unmatched = match_new_outcomes(connection, segments_of(connection), rows)
        self._just_met.update(matched=n_matched, unmatched=n_unmatched)
        self._expiry.drop_outcomes(connection, self._clock(), 2 * len(rows))


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None


def _requests(batch: list[Any]) -> list[str]:
    """Return the ids of the requests of a batch, once each: further rows of a request have a number behind its id."""
    return list(dict.fromkeys(record.request_id.partition("/")[0] for record in batch))


def _is_mistake(error: Exception) -> bool:
    """Tell an unstorable record from a store that cannot be written now."""
    refusals = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
    return not isinstance(error, TelemetryError | OSError) or isinstance(error.__cause__, refusals)
