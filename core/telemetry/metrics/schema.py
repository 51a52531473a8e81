"""The tables of recorded series: scrapes as they came, and hours repacked by series.

A scrape is one row: the ids of its series and their values. Once its hour is over, and nobody looks at single scrapes
any more, the scrapes of each writer become a block for each series and one row of times that all of them share; a
series is then found without reading the others. Scrapes are numbered in the order of their commits, so that a reader
that keeps the last number that it has seen misses none. `state` says up to which number scrapes were repacked, and
counts the times when something was taken back (`changes`), after which a reader begins anew.
"""

from pathlib import Path

from core.telemetry.schema import open_to_write
from core.telemetry.writing import WriteConnection

VERSION = 1
SERIES_BITS = 32
"""The lower bits of the key of a block."""
_WAL_KEPT_BYTES = 4 << 20

# Times are milliseconds since 1970. `series.seen_ms` is when a writer last looked for the series, or repacked it. The
# key of a block is its hour, shifted, and its series: rows found by an integer fill pages, those of an index do not.
_TABLES = """
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, labels TEXT NOT NULL UNIQUE, seen_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS scrape (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, writer TEXT NOT NULL, at_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS scrape_by_time ON scrape (at_ms);
CREATE INDEX IF NOT EXISTS scrape_by_writer ON scrape (writer, at_ms);
CREATE TABLE IF NOT EXISTS hour (
    id INTEGER PRIMARY KEY, writer TEXT NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
    times BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS hour_by_end ON hour (until_ms);
CREATE TABLE IF NOT EXISTS block (hour_and_series INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), packed_seq INTEGER NOT NULL, changes INTEGER NOT NULL);
INSERT OR IGNORE INTO state VALUES (1, 0, 0);
"""


def open_store(file: Path) -> WriteConnection:
    """Open the store for writing, and make it if there is none.

    Raises:
        TelemetryDamagedError: The file is not a sound database.
        TelemetryError: It cannot be opened, or was written by a newer version of the program.
    """
    return open_to_write(file, _TABLES, version=VERSION, wal_kept_bytes=_WAL_KEPT_BYTES)
