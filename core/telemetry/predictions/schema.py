"""The tables of predictions and outcomes.

They have a file of their own: it is written by every server process, several megabytes a second at full load, and
what it holds is perishable. The metrics of trainings, kept for months, share neither its locks nor its fate.
"""

import secrets
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from core.telemetry.errors import translated
from core.telemetry.predictions.tally import TALLY_TABLE, count_again
from core.telemetry.schema import open_to_write
from core.telemetry.writing import WriteConnection

VERSION = 4
"""Of the format: 2 has slices of predictions; 3 kinds of answers, names of classes, chains of segments; 4 the traffic
by the minute and the hour, the number of outcomes, and the segments of their predictions."""
_WAL_KEPT_BYTES = 64 << 20
FEW_PAGES_KIB = 1 << 10
"""The cache of a writer while few predictions come: the pages that one transaction changes."""
MANY_PAGES_KIB = 16 << 10
"""The cache of a writer while many come: the index of a whole segment."""

# `route` is all that many predictions have in common. Times are microseconds since 1970.
#
# Predictions lie in segments, a table each, numbered on through all of them: an index by request is hit at random by
# every insertion, so it has to stay small enough for the cache. Of the oldest, only the row in `segment` is deleted at
# once; a table without such a row is forgotten, and deleted piece by piece. A model that is
# kept for its own time has its own chain of segments, so that no row of another is kept with it.
#
# Outcomes are fewer and have one table; AUTOINCREMENT keeps a number from being given twice after rows were deleted.
# An outcome whose prediction is not stored yet waits in `waiting` until it is. `outcome.segment` is the segment of the
# prediction (NULL: stored in an earlier format), so that no reader has to search them all.
_OF_RECORDS = """
CREATE TABLE IF NOT EXISTS identity (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), store TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS route (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, rollout TEXT NOT NULL, arm TEXT NOT NULL,
    share REAL NOT NULL, kind TEXT NOT NULL, classes TEXT NOT NULL,
    UNIQUE (model, version, rollout, arm, share, kind, classes));
CREATE INDEX IF NOT EXISTS route_by_rollout ON route (rollout);
CREATE TABLE IF NOT EXISTS segment (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL, begun_at INTEGER NOT NULL, chain TEXT NOT NULL,
    last INTEGER NOT NULL, n INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS outcome (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request INTEGER NOT NULL UNIQUE, at INTEGER NOT NULL, actual REAL,
    loss REAL, name TEXT, segment INTEGER);
CREATE TABLE IF NOT EXISTS waiting (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request INTEGER NOT NULL UNIQUE, at INTEGER NOT NULL, actual REAL,
    loss REAL, name TEXT);
"""
_OF_TRAFFIC = """
CREATE TABLE IF NOT EXISTS traffic_{grain} (
    route INTEGER NOT NULL, at INTEGER NOT NULL, n_requests INTEGER NOT NULL, n_rows INTEGER NOT NULL,
    n_failed INTEGER NOT NULL, n_timed INTEGER NOT NULL, total_ms REAL NOT NULL, slowest_ms REAL NOT NULL,
    latencies BLOB NOT NULL, PRIMARY KEY (route, at)) WITHOUT ROWID;
"""
_TABLES = _OF_RECORDS + TALLY_TABLE + _OF_TRAFFIC.format(grain="minute") + _OF_TRAFFIC.format(grain="hour")
_SEGMENT = """
CREATE TABLE prediction_{id} (
    seq INTEGER PRIMARY KEY, route INTEGER NOT NULL, request INTEGER NOT NULL, at INTEGER NOT NULL, latency_ms REAL,
    error INTEGER NOT NULL, value REAL, unit INTEGER, slices INTEGER, detail BLOB)"""
_FORGOTTEN = """
SELECT CAST(substr(name, 12) AS INTEGER) FROM sqlite_master
WHERE type = 'table' AND name GLOB 'prediction_[0-9]*' AND CAST(substr(name, 12) AS INTEGER) NOT IN
    (SELECT id FROM segment)"""
_N_INDEXES = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND tbl_name = ?"
_INDEX = "CREATE INDEX prediction_{id}_by_request ON prediction_{id} (request)"


class Segment(NamedTuple):
    """One table of predictions, and the numbers of its rows."""

    id: int
    first: int
    last: int  # `first` - 1 while it is empty
    begun_us: int
    chain: str = ""  # the model that is kept for its own time; empty for all others
    n: int = 0  # rows

    @property
    def table(self) -> str:
        """The name of the table."""
        return f"prediction_{self.id}"


def segments_of(connection: sqlite3.Connection) -> list[Segment]:
    """List the segments of a store, oldest first."""
    found = connection.execute("SELECT id, first, last, begun_at, chain, n FROM segment ORDER BY id")
    return [Segment(*row) for row in found]


def add_segment(connection: sqlite3.Connection, segments: Iterable[Segment], chain: str, begun_us: int) -> Segment:
    """Open the next segment of a chain."""
    known = list(segments)
    last = max((segment.last for segment in known), default=0)
    taken = [segment.id for segment in known] + forgotten_tables(connection)
    segment = Segment(max(taken, default=0) + 1, last + 1, last, begun_us, chain)
    connection.execute(_SEGMENT.format(id=segment.id))
    connection.execute(_INDEX.format(id=segment.id))
    connection.execute(
        "INSERT INTO segment (id, first, begun_at, chain, last, n) VALUES (?, ?, ?, ?, ?, 0)",
        (segment.id, segment.first, begun_us, chain, segment.last),
    )
    return segment


def forget_segment(connection: sqlite3.Connection, segment: Segment) -> None:
    """Forget a segment with all its predictions; `delete_forgotten` deletes them."""
    connection.execute("DELETE FROM segment WHERE id = ?", (segment.id,))


def forgotten_tables(connection: sqlite3.Connection) -> list[int]:
    """Return the ids of the forgotten segments whose tables are still there."""
    return [number for (number,) in connection.execute(_FORGOTTEN)]


def delete_forgotten(connection: sqlite3.Connection, n_at_most: int) -> bool:
    """Delete a piece of a forgotten segment: its index, some of its rows, or its table once it is empty.

    Returns:
        Whether there was anything to delete.
    """
    tables = forgotten_tables(connection)
    if not tables:
        return False
    number = min(tables)
    (n_indexes,) = connection.execute(_N_INDEXES, (f"prediction_{number}",)).fetchone()
    if n_indexes:
        connection.execute(f"DROP INDEX prediction_{number}_by_request")
        return True
    first = connection.execute(f"SELECT min(seq) FROM prediction_{number}").fetchone()[0]
    if first is None:
        connection.execute(f"DROP TABLE prediction_{number}")
    else:
        connection.execute(f"DELETE FROM prediction_{number} WHERE seq < ?", (first + n_at_most,))
    return True


def open_store(file: Path) -> WriteConnection:
    """Open a store for writing, make it if there is none, and bring one of an earlier format to this one.

    Raises:
        TelemetryDamagedError: The file is not a sound database.
        TelemetryError: It cannot be opened, or was written by a newer version of the program.
    """
    connection = open_to_write(
        file, _TABLES, version=VERSION, wal_kept_bytes=_WAL_KEPT_BYTES, upgrade=_from_earlier_format
    )
    with translated(file):
        try:
            connection.execute(f"PRAGMA cache_size = -{FEW_PAGES_KIB}")
            with connection.transaction():
                connection.execute("INSERT OR IGNORE INTO identity VALUES (1, ?)", (secrets.token_hex(8),))
        except BaseException:
            connection.close()
            raise
        return connection


def _from_earlier_format(connection: sqlite3.Connection, found: int) -> None:
    """Add what the earlier formats lack. The traffic is counted from now on."""
    if found < 3:
        _add_kinds_and_chains(connection, found)
    connection.execute("ALTER TABLE outcome ADD COLUMN segment INTEGER")
    for statement in filter(str.strip, _TABLES.split(";")):
        connection.execute(statement)
    count_again(connection)


def _add_kinds_and_chains(connection: sqlite3.Connection, found: int) -> None:
    """Add slices (format 1), kinds of answers, names of classes, and chains (2)."""
    connection.execute("ALTER TABLE route RENAME TO route_1")
    connection.execute("DROP INDEX route_by_rollout")
    for statement in (part for part in _OF_RECORDS.split(";") if " route " in part):
        connection.execute(statement)
    connection.execute("INSERT INTO route SELECT id, model, version, rollout, arm, share, '', '' FROM route_1")
    connection.execute("DROP TABLE route_1")
    connection.execute("ALTER TABLE outcome ADD COLUMN name TEXT")
    for column in ("chain TEXT NOT NULL DEFAULT ''", "last INTEGER NOT NULL DEFAULT 0", "n INTEGER NOT NULL DEFAULT 0"):
        connection.execute(f"ALTER TABLE segment ADD COLUMN {column}")
    for number, first in connection.execute("SELECT id, first FROM segment").fetchall():
        for column in ("slices INTEGER", "detail BLOB")[found - 1 :]:
            connection.execute(f"ALTER TABLE prediction_{number} ADD COLUMN {column}")
        (last,) = connection.execute(f"SELECT coalesce(max(seq), ?) FROM prediction_{number}", (first - 1,)).fetchone()
        n = last - first + 1  # earlier formats numbered the rows of a segment without gaps
        connection.execute("UPDATE segment SET last = ?, n = ? WHERE id = ?", (last, n, number))
