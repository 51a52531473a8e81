"""The states of what watches live versions: saved with the number of the last minute that they contain."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from core.files import make_folder
from core.telemetry.errors import translated
from core.telemetry.live.reader import LiveReader
from core.telemetry.live.schema import open_store
from core.telemetry.schema import place_of
from core.telemetry.writing import WriteConnection

_SAVE = "INSERT OR REPLACE INTO watch_state (model, version, watcher, cursor, state) VALUES (?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM watch_state WHERE model = ? AND version = ?"
_IS_LIVE = """(model, version) IN (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:live))"""
_IS_OVER = "(model, version) IN (SELECT model, version FROM unwatched WHERE since <= :over)"
_FORGET_UNWATCHED = (
    f"DELETE FROM unwatched WHERE {_IS_LIVE}",
    f"""INSERT OR IGNORE INTO unwatched
        SELECT DISTINCT model, version, :now FROM watch_state WHERE NOT {_IS_LIVE}""",
    f"DELETE FROM watch_state WHERE {_IS_OVER}",
    "DELETE FROM unwatched WHERE since <= :over",
)


StoredState = tuple[str, str, str, int, bytes]
"""Model, version, name of the watcher, the `seq` of the last minute in the state, and the state."""


class LiveStates:
    """Saves states, all of a call or none, so that no minute counts twice and none is lost. Safe for several threads.

    Raises (all methods):
        TelemetryDamagedError: The file is damaged; the message names the way back.
        TelemetryError: It cannot be written now; nothing was saved.
    """

    def __init__(self, file: Path) -> None:
        """Prepare.

        Args:
            file: `Workspace.live_file`; it is opened when the first state is saved.
        """
        self._file = file
        self._reader = LiveReader(file)
        self._lock = threading.Lock()
        self._connection: WriteConnection | None = None
        self._place: tuple[int, int] | None = None

    def load(self, model: str, version: str, watcher: str) -> bytes | None:
        """Return a state, or None if there is none."""
        found = self._reader.watch_state(model, version, watcher)
        return None if found is None else found[1]

    def save(self, states: Iterable[StoredState]) -> None:
        """Save some states in one transaction."""
        if rows := list(states):
            self._transact(_SAVE, rows)

    def forget(self, model: str, version: str) -> None:
        """Delete all states of a version."""
        self._transact(_FORGET, [(model, version)])

    def forget_unwatched(self, live: Iterable[tuple[str, str]], now: datetime, keep: timedelta) -> None:
        """Delete the states of versions that have not been live for a while: a rollback may bring a version back.

        Args:
            live: The models and versions that are live.
            now: The time.
            keep: How long the states of a version that is no longer live are kept.
        """
        if not self._file.exists():
            return
        given = {
            "live": json.dumps(sorted(live)),
            "now": int(now.timestamp()),
            "over": int((now - keep).timestamp()),
        }
        with self._written() as connection:
            for statement in _FORGET_UNWATCHED:
                connection.execute(statement, given)

    def close(self) -> None:
        """Close the store."""
        with self._lock:
            self._disconnect()
        self._reader.close()

    def _transact(self, statement: str, rows: list[StoredState] | list[tuple[str, str]]) -> None:
        with self._written() as connection:
            connection.executemany(statement, rows)

    @contextmanager
    def _written(self) -> Iterator[sqlite3.Connection]:
        """Open the store for one transaction."""
        with self._lock, translated(self._file):
            try:
                if place_of(self._file) != self._place:
                    self._disconnect()
                if self._connection is None:
                    make_folder(self._file.parent)
                    self._connection = open_store(self._file)
                    self._place = place_of(self._file)
                with self._connection.transaction() as connection:
                    yield connection
            except (sqlite3.Error, OSError):
                self._disconnect()
                raise

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._place = None, None
