"""Writing what servers count: minutes from a queue, hours from minutes, and the deletion of old ones."""

import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

from core.clock import Clock, utc_now
from core.errors import CoreError
from core.settings.telemetry import LiveRetention
from core.telemetry.committer import COMMIT_SECONDS, Committer
from core.telemetry.compaction import shrink
from core.telemetry.errors import translated
from core.telemetry.live.records import CountedMinute
from core.telemetry.live.schema import open_store
from core.telemetry.writing import WriteConnection

log = logging.getLogger(__name__)

MOST_WAITING = 5_000
"""Minutes of versions: an hour and a half of fifty versions, some twenty megabytes."""
UPKEEP_EVERY = timedelta(minutes=1)
_BATCH = 500
_ROLLED = 100  # minutes merged in one transaction: some thirty milliseconds
_DELETED = 2_000  # rows deleted at a time, more than come within a minute
HOUR = 3_600

_ADD_SERIES = "INSERT OR IGNORE INTO series (model, version, profile) VALUES (?, ?, ?)"
_SERIES = "SELECT id FROM series WHERE model = ? AND version = ? AND profile = ?"
_ADD = "INSERT INTO minute (series, at, n, dropped, sketch) VALUES (?, ?, ?, ?, ?)"
_NEW = """
SELECT seq, series, at, n, dropped, sketch FROM minute WHERE seq > (SELECT seq FROM rolled) ORDER BY seq LIMIT ?"""
_PUT_HOUR = "INSERT OR REPLACE INTO hour (series, at, n, dropped, sketch) VALUES (?, ?, ?, ?, ?)"
_FORGET_MINUTES = """
DELETE FROM minute WHERE seq IN (
    SELECT seq FROM minute WHERE at < ? AND seq <= (SELECT seq FROM rolled) ORDER BY at LIMIT ?)"""
_FORGET_HOURS = """
DELETE FROM hour WHERE (series, at) IN (SELECT series, at FROM hour WHERE at < ? ORDER BY at LIMIT ?)"""

Merge = Callable[[list[bytes]], bytes]


@dataclass(frozen=True, slots=True)
class LiveHealth:
    """The state of the writer."""

    n_waiting: int = 0  # minutes of versions
    n_stored: int = 0
    n_dropped: int = 0  # rows of minutes that were dropped, because the store could not be written for too long
    failure: str | None = None


class LiveWriter(Committer):
    """Takes counted minutes from any thread, and stores them from one of its own.

    Several processes may each have a writer on the same file; they take turns. What is committed survives the end of
    the process, however it ends. While the store cannot be written, minutes wait in memory; if too many wait, the
    oldest are dropped and counted.
    """

    _WHAT = "live counts"

    def __init__(
        self,
        file: Path,
        merge: Merge,
        *,
        retention: LiveRetention | None = None,
        clock: Clock = utc_now,
        commit_seconds: float = COMMIT_SECONDS,
        max_waiting: int = MOST_WAITING,
    ) -> None:
        """Open the store, make it if there is none, and start the thread.

        Args:
            file: The store; `Workspace.live_file`.
            merge: Adds up sketches of one profile; `core.monitoring.live.merged_bytes`.
            retention: How long minutes and hours are kept; the defaults if None.
            clock: For retention.
            commit_seconds: How often what waits is committed.
            max_waiting: How many minutes may wait.
        Raises:
            TelemetryDamagedError: The file is damaged; the message names the way back.
            TelemetryError: It cannot be opened.
        """
        super().__init__(file, commit_seconds)
        self._merge = merge
        self._retention = retention or LiveRetention()
        self._clock = clock
        self._max_waiting = max_waiting
        self._queue: deque[CountedMinute] = deque()
        self._n_stored = self._n_dropped = 0
        self._next_upkeep = clock() + UPKEEP_EVERY
        self._is_said = False  # that a part could not be merged
        self._connection: WriteConnection | None = open_store(file)
        self._opened()
        self._start()

    def add(self, minute: CountedMinute) -> None:
        """Take a minute; never blocks."""
        with self._lock:
            self._queue.append(minute)
            while len(self._queue) > self._max_waiting:
                lost = self._queue.popleft()
                self._n_dropped += lost.n

    def health(self) -> LiveHealth:
        """Return the state of the writer."""
        return LiveHealth(len(self._queue), self._n_stored, self._n_dropped, self._failure)

    def _commit(self) -> bool:
        while True:
            with self._lock:
                batch = list(islice(self._queue, _BATCH))
            if not batch:
                break
            try:
                self._transact(partial(self._store, batch))
            except (CoreError, sqlite3.Error, OSError) as error:
                self._fail(error)
                return False
            with self._lock:
                for minute in batch:
                    if self._queue and self._queue[0] is minute:  # else it was dropped, and counted, meanwhile
                        self._queue.popleft()
            self._n_stored += len(batch)
            if self._failure is not None:
                log.info("telemetry writes to %s work again", self._file)
                self._failure = None
        self._upkeep()
        return True

    def _transact(self, work: Callable[[sqlite3.Connection], object]) -> None:
        if self._connection is None:
            self._connection = open_store(self._file)
            self._opened()
        with translated(self._file), self._connection.transaction() as connection:
            work(connection)

    @staticmethod
    def _store(batch: list[CountedMinute], connection: sqlite3.Connection) -> None:
        for minute in batch:
            key = (minute.model, minute.version, minute.profile)
            connection.execute(_ADD_SERIES, key)
            (series,) = connection.execute(_SERIES, key).fetchone()
            connection.execute(_ADD, (series, minute.at, minute.n, minute.n_dropped, minute.sketch))

    def _upkeep(self) -> None:
        """Bring the hours up to date, and delete what is too old; what fails is tried again a minute later."""
        now = self._clock()
        if now < self._next_upkeep:
            return
        self._next_upkeep = now + UPKEEP_EVERY
        try:
            n_left = _ROLLED
            while n_left == _ROLLED:
                n_left = self._roll_up()
            self._transact(lambda connection: self._forget(connection, now))
            if self._connection is not None:
                with translated(self._file):
                    shrink(self._connection)
        except (CoreError, sqlite3.Error, OSError) as error:  # nothing is lost: the minutes are stored
            log.warning("%s could not be rolled up: %s", self._file.name, error)
            self._close_store()

    def _roll_up(self) -> int:
        """Merge the next minutes into their hours; return how many there were."""
        rows: list[tuple[int, int, int, int, int, bytes]] = []

        def merge(connection: sqlite3.Connection) -> None:
            rows.extend(connection.execute(_NEW, (_ROLLED,)).fetchall())
            hours: dict[tuple[int, int], list[tuple[int, int, bytes]]] = {}
            for _, series, at, n, dropped, sketch in rows:
                hours.setdefault((series, at - at % HOUR), []).append((n, dropped, sketch))
            for (series, at), parts in hours.items():
                found = connection.execute(
                    "SELECT n, dropped, sketch FROM hour WHERE series = ? AND at = ?", (series, at)
                ).fetchall()
                connection.execute(_PUT_HOUR, (series, at, *self._sum([*found, *parts])))
            if rows:
                connection.execute("UPDATE rolled SET seq = ?", (rows[-1][0],))

        self._transact(merge)
        return len(rows)

    def _sum(self, parts: list[tuple[int, int, bytes]]) -> tuple[int, int, bytes]:
        """Add up parts of an hour; a part that cannot be read is left out, and its rows count as dropped."""
        whole: list[bytes] = []
        n = dropped = 0
        for rows, lost, sketch in parts:
            try:
                merged = [self._merge([*whole, sketch])] if sketch else whole
            except CoreError as error:
                if not self._is_said:
                    log.error("%s: a minute cannot be read, and is left out of its hour: %s", self._file.name, error)
                    self._is_said = True
                dropped += rows
            else:
                whole = merged
                n += rows
            dropped += lost
        return n, dropped, whole[0] if whole else b""

    def _forget(self, connection: sqlite3.Connection, now: datetime) -> None:
        for statement, days in (
            (_FORGET_MINUTES, self._retention.minutes_days),
            (_FORGET_HOURS, self._retention.hours_days),
        ):
            connection.execute(statement, (int((now - timedelta(days=days)).timestamp()), _DELETED))

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            log.error("telemetry write failed; buffering live counts in memory: %s", error)
        self._failure = str(error)
        self._close_store()  # reopened at the next attempt, in case the file was replaced

    def _close_store(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
