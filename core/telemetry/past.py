"""Documents over time: every state of every document with the instant it was seen, in `telemetry/past.db`.

Only states that differ from the previous one are written, so an idle workspace costs nothing, and a state is written as
its difference from a whole one: the document of a session at work changes every second, and little of it. Times are
integers, microseconds since 1970. The file is perishable: losing it loses the past, but nothing of the present.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from core.files import make_folder
from core.telemetry.chunk import SECOND_US, from_us, to_us
from core.telemetry.compaction import pages_of, shrink
from core.telemetry.errors import TelemetryError, translated
from core.telemetry.schema import connect_to_read, fetch, open_to_write, place_of

VERSION = 2  # 2: differences
_MOST_OF_WHOLE = 0.6  # a difference that is larger than this share of the whole state is not worth its second row
_WHOLE_EVERY_US = 3_600 * SECOND_US  # so that a whole state does not outlive its time for the sake of its differences
_WINDOW_BYTES = 32 << 10  # how far back zlib sees
_WAL_KEPT_BYTES = 8 << 20
_LEAST_PAST = timedelta(minutes=10)  # of which no budget takes anything

# A body of NULL means that the document was gone. `base` is the instant of the whole state that a difference needs:
# that state is the dictionary of zlib, so a difference is small, and two rows give a state however long the past is.
# `moment` holds the instants of changes in the audit log, `span` the periods in which the workspace was watched.
_TABLES = """
CREATE TABLE IF NOT EXISTS object (id INTEGER PRIMARY KEY, part TEXT NOT NULL, key TEXT NOT NULL, UNIQUE (part, key));
CREATE TABLE IF NOT EXISTS state (
    object INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB, base INTEGER, PRIMARY KEY (object, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS moment (at INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS span (start INTEGER PRIMARY KEY, until INTEGER NOT NULL);
"""
_AS_OF = """
SELECT part, key, state.body, whole.body FROM object JOIN state ON state.object = id
LEFT JOIN state AS whole ON whole.object = id AND whole.at = state.base
WHERE state.at = (SELECT max(at) FROM state WHERE object = id AND at <= ?) AND state.body IS NOT NULL ORDER BY id"""
_STATES = """
SELECT state.at, state.body, whole.body FROM object JOIN state ON state.object = id
LEFT JOIN state AS whole ON whole.object = id AND whole.at = state.base
WHERE part = ? AND key = ? ORDER BY state.at"""
_NEWEST_WHOLE = """
SELECT at, body FROM state WHERE object = ? AND base IS NULL AND body IS NOT NULL AND at > ? AND at < ?
ORDER BY at DESC LIMIT 1"""
# The newest state before the horizon still applies after it, unless the document was gone.
_EXPIRE = (
    """DELETE FROM state WHERE base IS NOT NULL AND at <
        (SELECT max(at) FROM state AS later WHERE later.object = state.object AND later.at <= ?1)""",
    """DELETE FROM state WHERE base IS NULL AND at <
        (SELECT max(at) FROM state AS later WHERE later.object = state.object AND later.at <= ?1)
        AND (object, at) NOT IN (SELECT object, base FROM state AS later WHERE base IS NOT NULL)""",
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
        self._connection = open_to_write(
            file, _TABLES, version=VERSION, wal_kept_bytes=_WAL_KEPT_BYTES, upgrade=_from_earlier_format
        )
        self._place = place_of(file)

    def newest(self) -> dict[PastKey, bytes]:
        """Return the newest state of every existing document."""
        return dict(self.newest_states())

    def newest_states(self) -> Iterator[tuple[PastKey, bytes]]:
        """Yield the newest state of every existing document, one at a time: together they may be large."""
        with translated(self._file):
            for part, key, body, whole in self._connection.execute(_AS_OF, (1 << 62,)):
                yield PastKey(part, key), _unpacked(body, whole)

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
                statement = "SELECT id FROM object WHERE part = ? AND key = ?"
                (number,) = connection.execute(statement, (part, key)).fetchone()
                packed, base = (None, None) if body is None else _packed(connection, number, at_us, body)
                connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)", (number, at_us, packed, base))
            if is_moment:
                connection.execute("INSERT OR IGNORE INTO moment VALUES (?)", (at_us,))
            connection.execute("INSERT OR REPLACE INTO span VALUES (?, ?)", (to_us(since), at_us))

    def expire(self, horizon: datetime, *, most_bytes: int | None = None, now: datetime | None = None) -> datetime:
        """Delete states before an instant, except states still current then, and give their space back.

        Args:
            horizon: The instant.
            most_bytes: If the rest takes more, the oldest states go, too, a tenth of the time at once.
            now: The end of the time; needed with `most_bytes`.
        Returns:
            The instant before which states were deleted.
        """
        self._delete_before(horizon)
        while most_bytes is not None and now is not None and now - horizon > _LEAST_PAST and self._used() > most_bytes:
            horizon += (now - horizon) / 10
            self._delete_before(horizon)
        with translated(self._file):
            shrink(self._connection)
        return horizon

    def _delete_before(self, horizon: datetime) -> None:
        with self._transaction() as connection:
            for statement in _EXPIRE:
                connection.execute(statement, (to_us(horizon),) if "?" in statement else ())

    def _used(self) -> int:
        with translated(self._file):
            return pages_of(self._connection).used_bytes

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


def _packed(connection: sqlite3.Connection, number: int, at_us: int, body: bytes) -> tuple[bytes, int | None]:
    """Pack a state as its difference from the newest whole state, or whole; return the instant of the former, too."""
    whole = zlib.compress(body)
    found = connection.execute(_NEWEST_WHOLE, (number, at_us - _WHOLE_EVERY_US, at_us)).fetchone()
    if found is None:
        return whole, None
    squeeze = zlib.compressobj(zdict=_window(found[1]))
    difference = squeeze.compress(body) + squeeze.flush()
    return (difference, found[0]) if len(difference) < _MOST_OF_WHOLE * len(whole) else (whole, None)


def _unpacked(body: bytes, whole: bytes | None) -> bytes:
    """Unpack a state; `whole` is the packed state that it is the difference from, if it is one."""
    if whole is None:
        return zlib.decompress(body)
    return zlib.decompressobj(zdict=_window(whole)).decompress(body)


def _window(whole: bytes) -> bytes:
    return zlib.decompress(whole)[-_WINDOW_BYTES:]


def _from_earlier_format(connection: sqlite3.Connection, _found: int) -> None:
    """Add what format 1 lacks: the whole states that differences need. Its own states are all whole."""
    connection.execute("ALTER TABLE state ADD COLUMN base INTEGER")


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
        rows = self._rows(_AS_OF, to_us(when))
        return [(PastKey(part, key), _unpacked(body, whole)) for part, key, body, whole in rows]

    def states(self, part: str, key: str) -> Iterator[tuple[datetime, bytes | None]]:
        """Yield every recorded state of one document, oldest first; None where it was gone."""
        for at_us, body, whole in self._rows(_STATES, part, key):
            yield from_us(at_us), None if body is None else _unpacked(body, whole)

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

    def spans(self) -> list[tuple[datetime, datetime]]:
        """Return every watched period, in the order of time."""
        rows = self._rows("SELECT start, until FROM span ORDER BY start")
        return [(from_us(start), from_us(until)) for start, until in rows]

    def _instant(self, statement: str, *parameters: int) -> datetime | None:
        for (at_us,) in self._rows(statement, *parameters):
            return None if at_us is None else from_us(at_us)
        return None

    def _rows(self, statement: str, *parameters: int | str) -> list[tuple]:  # type: ignore[type-arg]
        if not self._file.exists():
            return []
        with translated(self._file):
            connection = connect_to_read(self._file)
            try:
                return fetch(connection, statement, *parameters)
            finally:
                connection.close()
