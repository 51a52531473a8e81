"""The tables of predictions and outcomes.

They have a file of their own: it is written by every server process, several megabytes a second at full load, and
what it holds is perishable. The metrics of trainings, kept for months, share neither its locks nor its fate.
"""

import secrets
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from core.telemetry.errors import translated
from core.telemetry.schema import BUSY_SECONDS

if TYPE_CHECKING:
    from core.state import Workspace

_WAL_KEPT_BYTES = 64 << 20

# `route` is all that many predictions have in common. Numbers of rows only ever grow (AUTOINCREMENT), so that "what
# came after number n" has an answer even after everything before was deleted. Times are microseconds since 1970.
_TABLES = """
CREATE TABLE IF NOT EXISTS identity (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), store TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS route (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, rollout TEXT NOT NULL, arm TEXT NOT NULL,
    share REAL NOT NULL, UNIQUE (model, version, rollout, arm, share));
CREATE INDEX IF NOT EXISTS route_by_rollout ON route (rollout);
CREATE TABLE IF NOT EXISTS prediction (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, route INTEGER NOT NULL, request INTEGER NOT NULL, at INTEGER NOT NULL,
    latency_ms REAL, error INTEGER NOT NULL, value REAL, unit INTEGER);
CREATE INDEX IF NOT EXISTS prediction_by_request ON prediction (request);
CREATE TABLE IF NOT EXISTS outcome (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request INTEGER NOT NULL UNIQUE, at INTEGER NOT NULL, actual REAL,
    loss REAL);
"""


def predictions_file(workspace: "Workspace") -> Path:
    """Return where a workspace keeps its predictions."""
    return workspace.telemetry_file.with_name("predictions.db")


def open_store(file: Path) -> sqlite3.Connection:
    """Open a store for writing, and make it if there is none.

    Raises:
        TelemetryDamagedError: The file is not a sound database.
        TelemetryError: It cannot be opened.
    """
    with translated(file):
        connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
            connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}COMMIT;")
            connection.execute("INSERT OR IGNORE INTO identity VALUES (1, ?)", (secrets.token_hex(8),))
        except BaseException:
            connection.close()
            raise
        return connection
