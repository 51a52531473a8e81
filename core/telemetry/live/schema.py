"""The tables of what servers count: sketches by minute and by hour, and the states of what watches them.

They have a file of their own, `live.db`, since every server process writes it. A minute may have several rows: one of
each process, and one for each time that a process stored a part of it. Rows are numbered in the order of their commits,
so that a reader that keeps the last number that it has seen misses no row and sees none twice, however late a process
stores its part. The state of a reader lies in the same file, with that number, and is saved in one transaction.
"""

from pathlib import Path

from core.telemetry.schema import open_to_write
from core.telemetry.writing import WriteConnection

VERSION = 3  # 1 found the minutes of a window by reading all of a version; 2 kept states of versions for good
_WAL_KEPT_BYTES = 4 << 20

# Times are seconds since 1970: the beginning of a minute or an hour. `rolled` is the last minute row that is in `hour`,
# `unwatched` since when a version that has states is no longer live.
_TABLES = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, profile TEXT NOT NULL,
    UNIQUE (model, version, profile));
CREATE TABLE IF NOT EXISTS minute (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, series INTEGER NOT NULL, at INTEGER NOT NULL, n INTEGER NOT NULL,
    dropped INTEGER NOT NULL, sketch BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS minute_by_series ON minute (series, seq);
CREATE INDEX IF NOT EXISTS minute_of_series_by_time ON minute (series, at);
CREATE INDEX IF NOT EXISTS minute_by_time ON minute (at);
CREATE TABLE IF NOT EXISTS hour (
    series INTEGER NOT NULL, at INTEGER NOT NULL, n INTEGER NOT NULL, dropped INTEGER NOT NULL, sketch BLOB NOT NULL,
    PRIMARY KEY (series, at)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS hour_by_time ON hour (at);
CREATE TABLE IF NOT EXISTS rolled (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), seq INTEGER NOT NULL);
INSERT OR IGNORE INTO rolled VALUES (1, 0);
CREATE TABLE IF NOT EXISTS watch_state (
    model TEXT NOT NULL, version TEXT NOT NULL, watcher TEXT NOT NULL, cursor INTEGER NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (model, version, watcher)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unwatched (
    model TEXT NOT NULL, version TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (model, version)) WITHOUT ROWID;
"""


def open_store(file: Path) -> WriteConnection:
    """Open the store for writing, and make it if there is none.

    Raises:
        TelemetryDamagedError: The file is not a sound database.
        TelemetryError: It cannot be opened, or was written by a newer version of the program.
    """
    return open_to_write(file, _TABLES, version=VERSION, wal_kept_bytes=_WAL_KEPT_BYTES)
