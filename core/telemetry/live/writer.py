"""Writing what servers count: minutes from a queue."""

import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path

from core.clock import Clock, utc_now
from core.errors import CoreError
from core.periodic import Periodic
from core.settings.telemetry import LiveRetention
from core.telemetry.committer import COMMIT_SECONDS, Committer
from core.telemetry.errors import translated
from core.telemetry.live.records import CountedMinute
from core.telemetry.live.schema import open_store
from core.telemetry.live.upkeep import LiveUpkeep, Merge
from core.telemetry.writing import WriteConnection

log = logging.getLogger(__name__)

MOST_WAITING = 5_000
"""Minutes of versions: an hour and a half of fifty versions, some twenty megabytes."""
UPKEEP_EVERY = timedelta(minutes=1)
_BATCH = 500

_ADD_SERIES = "INSERT OR IGNORE INTO series (model, version, profile) VALUES (?, ?, ?)"
_SERIES = "SELECT id FROM series WHERE model = ? AND version = ? AND profile = ?"
_ADD = "INSERT INTO minute (series, at, n, dropped, sketch) VALUES (?, ?, ?, ?, ?)"


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
        self._upkeep_of_store = LiveUpkeep(file, merge, retention or LiveRetention())
        self._clock = clock
        self._max_waiting = max_waiting
        self._queue: deque[CountedMinute] = deque()
        self._n_stored = self._n_dropped = 0
        self._upkeep_times = Periodic(UPKEEP_EVERY, first_at=clock() + UPKEEP_EVERY)
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
            self._recover()
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
        if not self._upkeep_times.is_due(now):
            return
        try:
            if self._connection is not None:
                self._upkeep_of_store.work(self._connection, now)
        except (CoreError, sqlite3.Error, OSError) as error:  # nothing is lost: the minutes are stored
            log.warning("%s could not be rolled up: %s", self._file.name, error)
            self._close_store()

    def _close_store(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
