"""Reading what servers counted."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.telemetry.errors import translated
from core.telemetry.live.records import AnsweredRows, CountedVersion, LiveHour, LiveMinute
from core.telemetry.schema import connect_to_read, fetch

MOST_MINUTES = 20_000  # two weeks of one process

_OF = "series IN (SELECT id FROM series WHERE model = ? AND version = ?)"
_AFTER = f"""
SELECT seq, at, n, dropped, profile, sketch FROM minute JOIN series ON series.id = minute.series
WHERE {_OF} AND seq > ? ORDER BY seq LIMIT ?"""
_BETWEEN = f"""
SELECT seq, at, n, dropped, profile, sketch FROM minute JOIN series ON series.id = minute.series
WHERE {_OF} AND at >= ? AND at < ? ORDER BY at, seq"""
_ANSWERED = f"""
SELECT COALESCE(SUM(n), 0), COALESCE(SUM(dropped), 0) FROM minute JOIN series ON series.id = minute.series
WHERE {_OF} AND at >= ? AND at < ?"""
_HOURS = f"""
SELECT at, n, dropped, profile, sketch FROM hour JOIN series ON series.id = hour.series
WHERE {_OF} AND at >= ? AND at < ? ORDER BY at"""
_SUMS = f"""
SELECT at, n, dropped, profile, sketch FROM hour JOIN series ON series.id = hour.series
WHERE {_OF} AND at >= ? AND at < ?
UNION ALL
SELECT at, n, dropped, profile, sketch FROM minute JOIN series ON series.id = minute.series
WHERE {_OF} AND at >= ? AND at < ? AND seq > (SELECT seq FROM rolled) ORDER BY at"""
_VERSIONS = """
SELECT model, version, profile, (SELECT at FROM minute WHERE series = series.id ORDER BY seq DESC LIMIT 1) AS last
FROM series WHERE last IS NOT NULL ORDER BY model, version"""
_VERSIONS_OF = "SELECT version FROM series WHERE model = ? GROUP BY version ORDER BY MIN(id)"
_STATE = "SELECT cursor, state FROM watch_state WHERE model = ? AND version = ? AND watcher = ?"


class LiveReader:
    """Answers from `telemetry/live.db`; a file that is not there yet gives empty answers. Safe for several threads.

    Raises (all methods):
        TelemetryDamagedError: The file is damaged; the message names the way back.
        TelemetryError: It cannot be read now.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file_id: tuple[int, int] | None = None

    def minutes(self, model: str, version: str, after: int = 0, *, limit: int = MOST_MINUTES) -> list[LiveMinute]:
        """Return the minutes stored after a reader's last look, in the order in which they were stored.

        A minute comes in parts: one of each server process, and more if a process ended within it, or if the share of
        the requests that is counted was halved or doubled.

        Args:
            model: The model.
            version: Its version.
            after: The `seq` of the last minute that the reader has seen; 0 for all.
            limit: How many at most; the rest comes with the next look.
        """
        return [_minute(row) for row in self._fetch(_AFTER, model, version, after, limit)]

    def between(self, model: str, version: str, start: datetime, end: datetime) -> list[LiveMinute]:
        """Return the minutes that begin at or after `start` and before `end`, in order of time."""
        return [_minute(row) for row in self._fetch(_BETWEEN, model, version, *_seconds(start, end))]

    def answered(self, model: str, version: str, start: datetime, end: datetime) -> AnsweredRows:
        """Return how many rows were answered between two instants, and how many of them were not counted."""
        n, n_dropped = next(iter(self._fetch(_ANSWERED, model, version, *_seconds(start, end))), (0, 0))
        return AnsweredRows(n + n_dropped, n_dropped)

    def hours(self, model: str, version: str, start: datetime, end: datetime) -> list[LiveHour]:
        """Return the hours that begin at or after `start` and before `end`; the newest lacks up to two minutes."""
        rows = self._fetch(_HOURS, model, version, *_seconds(start, end))
        return [LiveHour(_time(at), n, dropped, profile, sketch) for at, n, dropped, profile, sketch in rows]

    def sums(self, model: str, version: str, start: datetime, end: datetime) -> list[LiveHour]:
        """Return the hours from `start` to before `end`, and the minutes that are not in their hours yet, all once."""
        asked = (model, version, *_seconds(start, end))
        rows = self._fetch(_SUMS, *asked, *asked)  # one statement, so that no roll-up comes between the two
        return [LiveHour(_time(at), n, dropped, profile, sketch) for at, n, dropped, profile, sketch in rows]

    def versions(self) -> list[CountedVersion]:
        """List the versions with stored minutes."""
        rows = self._fetch(_VERSIONS)
        return [CountedVersion(model, version, profile, _time(last)) for model, version, profile, last in rows]

    def versions_of(self, model: str) -> list[str]:
        """List the versions of a model of which anything was ever counted, in the order of their first rows."""
        return [version for (version,) in self._fetch(_VERSIONS_OF, model)]

    def watch_state(self, model: str, version: str, watcher: str) -> tuple[int, bytes] | None:
        """Return the cursor and the state that a watcher has saved; None if it has saved none."""
        rows = self._fetch(_STATE, model, version, watcher)
        return (rows[0][0], rows[0][1]) if rows else None

    def close(self) -> None:
        """Close the store; the next call opens it again."""
        with self._lock:
            self._disconnect()

    def _fetch(self, statement: str, *parameters: object) -> list[Any]:
        with self._opened() as connection:
            return [] if connection is None else fetch(connection, statement, *parameters)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection | None]:
        with self._lock, translated(self._file):
            try:
                status = os.stat(self._file)
            except FileNotFoundError:
                self._disconnect()
                yield None
                return
            if (status.st_dev, status.st_ino) != self._file_id:
                self._disconnect()
                self._connection = connect_to_read(self._file)
                self._file_id = status.st_dev, status.st_ino
            try:
                yield self._connection
            except sqlite3.Error:
                self._disconnect()
                raise

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._file_id = None, None


def _minute(row: tuple[int, int, int, int, str, bytes]) -> LiveMinute:
    seq, at, n, dropped, profile, sketch = row
    return LiveMinute(seq, _time(at), n, dropped, profile, sketch)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(start: datetime, end: datetime) -> tuple[float, float]:
    return start.timestamp(), end.timestamp()
