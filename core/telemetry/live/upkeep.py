"""The upkeep of what servers count: hours from minutes, and the deletion of old ones.

Every server does it while it writes, and the engine does it, too, since a server that has stopped keeps nothing up.
They take turns: each step is one transaction, which begins where the last one ended, whoever that was.
"""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from core.errors import CoreError
from core.settings.telemetry import LiveRetention
from core.telemetry.compaction import shrink
from core.telemetry.errors import translated
from core.telemetry.live.schema import open_store
from core.telemetry.writing import WriteConnection

log = logging.getLogger(__name__)

_ROLLED = 100  # minutes merged in one transaction: some thirty milliseconds
_DELETED = 2_000  # rows deleted at a time, more than come within a minute
HOUR = 3_600

_NEW = """
SELECT seq, series, at, n, dropped, sketch FROM minute WHERE seq > (SELECT seq FROM rolled) ORDER BY seq LIMIT ?"""
_PUT_HOUR = "INSERT OR REPLACE INTO hour (series, at, n, dropped, sketch) VALUES (?, ?, ?, ?, ?)"
_FORGET_MINUTES = """
DELETE FROM minute WHERE seq IN (
    SELECT seq FROM minute WHERE at < ? AND seq <= (SELECT seq FROM rolled) ORDER BY at LIMIT ?)"""
_FORGET_HOURS = """
DELETE FROM hour WHERE (series, at) IN (SELECT series, at FROM hour WHERE at < ? ORDER BY at LIMIT ?)"""

Merge = Callable[[list[bytes]], bytes]


class LiveUpkeep:
    """Brings the hours up to date, and deletes what is too old."""

    def __init__(self, file: Path, merge: Merge, retention: LiveRetention) -> None:
        """Prepare.

        Args:
            file: The store.
            merge: Adds up sketches of one profile; `core.monitoring.live.merged_bytes`.
            retention: How long minutes and hours are kept.
        """
        self._file, self._merge, self._retention = file, merge, retention
        self._is_said = False  # that a part could not be merged

    def work(self, connection: WriteConnection, now: datetime) -> int:
        """Do all that is due but the deletion of a long backlog, of which each call does a part.

        Args:
            connection: To the store.
            now: The time.
        Returns:
            How many rows were deleted.
        Raises:
            TelemetryError: The store cannot be written now; nothing is lost, since the minutes are stored.
        """
        with translated(self._file):
            n_left = _ROLLED
            while n_left == _ROLLED:
                with connection.transaction() as rolling:
                    n_left = self._roll_up(rolling)
            with connection.transaction() as deleting:
                n_deleted = self._forget(deleting, now)
            shrink(connection)
        return n_deleted

    def _roll_up(self, connection: sqlite3.Connection) -> int:
        """Merge the next minutes into their hours; return how many there were."""
        rows = connection.execute(_NEW, (_ROLLED,)).fetchall()
        hours: dict[tuple[int, int], list[tuple[int, int, bytes]]] = {}
        for _, series, at, n, dropped, sketch in rows:
            hours.setdefault((series, at - at % HOUR), []).append((n, dropped, sketch))
        for (series, at), parts in hours.items():
            found = connection.execute(
                "SELECT n, dropped, sketch FROM hour WHERE series = ? AND at = ?", (series, at)
            ).fetchall()
            connection.execute(_PUT_HOUR, (series, at, *self._sum([*found, *parts])))
        if rows:
            connection.execute("UPDATE rolled SET seq = ?", (rows[-1][0],))
        return len(rows)

    def _sum(self, parts: list[tuple[int, int, bytes]]) -> tuple[int, int, bytes]:
        """Add up parts of an hour; a part that cannot be read is left out, and its rows count as dropped."""
        whole: list[bytes] = []
        n = dropped = 0
        for rows, lost, sketch in parts:
            try:
                merged = [self._merge([*whole, sketch])] if sketch else whole
            except CoreError as error:
                if not self._is_said:
                    log.error("%s: a minute cannot be read, and is left out of its hour: %s", self._file.name, error)
                    self._is_said = True
                dropped += rows
            else:
                whole = merged
                n += rows
            dropped += lost
        return n, dropped, whole[0] if whole else b""

    def _forget(self, connection: sqlite3.Connection, now: datetime) -> int:
        n_deleted = 0
        for statement, days in (
            (_FORGET_MINUTES, self._retention.minutes_days),
            (_FORGET_HOURS, self._retention.hours_days),
        ):
            before = int((now - timedelta(days=days)).timestamp())
            n_deleted += connection.execute(statement, (before, _DELETED)).rowcount
        return n_deleted


def keep_up(file: Path, merge: Merge, retention: LiveRetention, now: datetime) -> None:
    """Do the upkeep of a store whose servers may have stopped; without a store, do nothing.

    Args:
        file: The store.
        merge: As for `LiveUpkeep`.
        retention: How long minutes and hours are kept.
        now: The time.
    Raises:
        TelemetryError: The store cannot be written now.
    """
    if not file.exists():
        return
    upkeep = LiveUpkeep(file, merge, retention)
    with closing(open_store(file)) as connection:
        while upkeep.work(connection, now) >= _DELETED:
            pass
