"""Documents over time: every state of every document with the instant it was seen, in `telemetry/past.db`.

Only differences from the previous state are written, so an idle workspace costs nothing. Times are integers,
microseconds since 1970. The file is perishable: losing it loses the past, but nothing of the present.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from core.files import make_folder
from core.telemetry.chunk import from_us, to_us
from core.telemetry.errors import TelemetryError, translated
from core.telemetry.schema import connect_to_read, fetch, open_to_write, place_of

VERSION = 1
_WAL_KEPT_BYTES = 8 << 20

# A body of NULL means that the document was gone. `moment` holds the instants of changes in the audit log, `span` the
# periods in which the workspace was watched.
_TABLES = """
CREATE TABLE object (id INTEGER PRIMARY KEY, part TEXT NOT NULL, key TEXT NOT NULL, UNIQUE (part, key));
CREATE TABLE state (
    object INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB, PRIMARY KEY (object, at)) WITHOUT ROWID;
CREATE TABLE moment (at INTEGER PRIMARY KEY);
CREATE TABLE span (start INTEGER PRIMARY KEY, until INTEGER NOT NULL);
"""
_AS_OF = """
SELECT part, key, body FROM object JOIN state ON object = id
WHERE at = (SELECT max(at) FROM state WHERE object = id AND at <= ?) AND body IS NOT NULL ORDER BY id"""
# The newest state before the horizon still applies after it, unless the document was gone.
_EXPIRE = (
    """DELETE FROM state WHERE at <
        (SELECT max(at) FROM state AS later WHERE later.object = state.object AND later.at <= ?1)""",
    "DELETE FROM state WHERE at < ?1 AND body IS NULL",
    "DELETE FROM object WHERE id NOT IN (SELECT object FROM state)",
    "DELETE FROM moment WHERE at < ?1",
    "DELETE FROM span WHERE until < ?1",
)

_FORGET_FROM = (
    "DELETE FROM state WHERE at > ?",
    "DELETE FROM moment WHERE at > ?",
    "DELETE FROM span WHERE start > ?",
    "UPDATE span SET until = min(until, ?)",
)


class PastKey(NamedTuple):
    """The identity of a document: a part of the snapshot, and the document's key in it."""

    part: str
    key: str


class PastSpan(NamedTuple):
    """A period in which the workspace was watched."""

    start: datetime
    until: datetime


class PastWriter:
    """Writes states. There is one writer: the engine's."""

    def __init__(self, file: Path) -> None:
        """Open the store, and make it if there is none.

        Raises:
            TelemetryDamagedError: The file is not a sound database.
            TelemetryError: It cannot be opened, or was written by a newer version of the program.
        """
        self._file = file
        make_folder(file.parent)
        self._connection = open_to_write(file, _TABLES, version=VERSION, wal_kept_bytes=_WAL_KEPT_BYTES)
        self._place = place_of(file)

    def newest(self) -> dict[PastKey, bytes]:
        """Return the newest state of every existing document."""
        with translated(self._file):
            rows = self._connection.execute(_AS_OF, (1 << 62,)).fetchall()
        return {PastKey(part, key): body for part, key, body in rows}

    def write(self, at: datetime, states: Mapping[PastKey, bytes | None], *, since: datetime, is_moment: bool) -> None:
        """Write states, all or none.

        Args:
            at: When they were seen.
            states: The documents that differ from their last written state; None for a document that is gone.
            since: Since when the workspace has been watched without a break.
            is_moment: Whether the audit log has a new change.

        Raises:
            TelemetryError: The store cannot be written now, or its file was removed or replaced; nothing was written.
        """
        at_us = to_us(at)
        with self._transaction() as connection:
            for (part, key), body in states.items():
                connection.execute("INSERT OR IGNORE INTO object (part, key) VALUES (?, ?)", (part, key))
                connection.execute(
                    "INSERT OR REPLACE INTO state SELECT id, ?, ? FROM object WHERE part = ? AND key = ?",
                    (at_us, body, part, key),
                )
            if is_moment:
                connection.execute("INSERT OR IGNORE INTO moment VALUES (?)", (at_us,))
            connection.execute("INSERT OR REPLACE INTO span VALUES (?, ?)", (to_us(since), at_us))

    def expire(self, horizon: datetime) -> None:
        """Delete states before an instant, except states still current then."""
        horizon_us = to_us(horizon)
        with self._transaction() as connection:
            for statement in _EXPIRE:
                connection.execute(statement, (horizon_us,) if "?" in statement else ())

    def forget_from(self, instant: datetime) -> None:
        """Delete all records after an instant, which a clock that was set back has not reached again.

        Otherwise they would appear to follow the records that are written until the clock catches up.
        """
        with self._transaction() as connection:
            for statement in _FORGET_FROM:
                connection.execute(statement, (to_us(instant),))

    def close(self) -> None:
        """Close the store."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if place_of(self._file) != self._place:
            raise TelemetryError(f"{self._file} was removed or replaced; a new writer continues in the new file.")
        with translated(self._file), self._connection.transaction():
            yield self._connection


class PastReader:
    """Reads states; a missing file has none. Each query opens the file again, since queries are rare.

    Raises (all methods):
        TelemetryDamagedError: The file is damaged; the message names the remedy.
        TelemetryError: The file cannot be read now.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def as_of(self, when: datetime) -> list[tuple[PastKey, bytes]]:
        """Return all documents at an instant, in the order of their creation."""
        return [(PastKey(part, key), body) for part, key, body in self._rows(_AS_OF, to_us(when))]

    def moment_before(self, when: datetime) -> datetime | None:
        """Return the last moment before an instant, or None."""
        return self._instant("SELECT max(at) FROM moment WHERE at < ?", to_us(when))

    def moment_after(self, when: datetime) -> datetime | None:
        """Return the first moment after an instant, or None."""
        return self._instant("SELECT min(at) FROM moment WHERE at > ?", to_us(when))

    def first(self) -> datetime | None:
        """Return the first instant that is recorded, or None."""
        return self._instant("SELECT min(start) FROM span")

    def span_at(self, when: datetime) -> PastSpan | None:
        """Return the newest watched period that began at or before an instant, or None."""
        statement = "SELECT start, until FROM span WHERE start <= ? ORDER BY start DESC LIMIT 1"
        for start, until in self._rows(statement, to_us(when)):
            return PastSpan(from_us(start), from_us(until))
        return None

    def _instant(self, statement: str, *parameters: int) -> datetime | None:
        for (at_us,) in self._rows(statement, *parameters):
            return None if at_us is None else from_us(at_us)
        return None

    def _rows(self, statement: str, *parameters: int) -> list[tuple]:  # type: ignore[type-arg]
        if not self._file.exists():
            return []
        with translated(self._file):
            connection = connect_to_read(self._file)
            try:
                return fetch(connection, statement, *parameters)
            finally:
                connection.close()
