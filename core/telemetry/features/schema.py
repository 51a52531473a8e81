"""The table of sampled rows, in a file of its own that only its owner can read: rows may say more than their counts."""

from pathlib import Path

from core.telemetry.schema import open_to_write
from core.telemetry.writing import WriteConnection

VERSION = 1
_WAL_KEPT_BYTES = 4 << 20

# `at` is when the newest row of a batch was answered, seconds since 1970.
_TABLES = """
CREATE TABLE IF NOT EXISTS batch (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, version TEXT NOT NULL, at REAL NOT NULL,
    n INTEGER NOT NULL, content BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS batch_by_version ON batch (model, version, at);
CREATE INDEX IF NOT EXISTS batch_by_time ON batch (at);
"""


def open_store(file: Path) -> WriteConnection:
    """Open the store for writing, and make it if there is none.

    Raises:
        TelemetryDamagedError: The file is not a sound database.
        TelemetryError: It cannot be opened, or was written by a newer version of the program.
    """
    return open_to_write(file, _TABLES, version=VERSION, wal_kept_bytes=_WAL_KEPT_BYTES)
