"""The upkeep of recorded series: blocks by series from the scrapes of an hour that is over, and the end of old ones.

Every writer does it; they take turns: each step is one transaction, which begins where the last one ended.
"""

import logging
import sqlite3
from pathlib import Path

import numpy as np

from core.telemetry.compaction import shrink
from core.telemetry.errors import translated
from core.telemetry.metrics.packing import SampleValues, SeriesIds, pack_times, pack_values, unpack_scrape
from core.telemetry.metrics.samples import ABSENT_BITS
from core.telemetry.metrics.schema import SERIES_BITS, open_store
from core.telemetry.writing import WriteConnection

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
KEPT_MS = 75 * 60_000
"""How long scrapes stay as they came, after their hour is over: what rules look at again and again."""
_DAY_MS = 86_400_000
_DELETED_HOURS = 4

_OLDEST = "SELECT writer, at_ms FROM scrape WHERE at_ms < ? ORDER BY at_ms LIMIT 1"
_OF_HOUR = "SELECT seq, at_ms, body FROM scrape WHERE writer = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms, seq"
_DELETE_HOUR = "DELETE FROM scrape WHERE writer = ? AND at_ms >= ? AND at_ms < ?"
_FORGET_BLOCKS = "DELETE FROM block WHERE hour_and_series >= ? AND hour_and_series < ?"
_FORGET_SERIES = "DELETE FROM series WHERE seen_ms < ?"


class MetricUpkeep:
    """Repacks the hours that are over, and deletes what is too old."""

    def __init__(self, file: Path) -> None:
        """Prepare.

        Args:
            file: The store.
        """
        self._file = file

    def work(self, connection: WriteConnection, now_ms: int, days: float) -> int:
        """Do what is due, one hour of one writer after the other.

        Args:
            connection: To the store.
            now_ms: The time.
            days: How long samples are kept.
        Returns:
            How many hours of writers were deleted.
        Raises:
            TelemetryError: The store cannot be written now; nothing is lost.
        """
        before_ms = (now_ms - KEPT_MS) // HOUR_MS * HOUR_MS
        with translated(self._file):
            while self._repack(connection, before_ms):
                connection.give_way()
            n_deleted = self._forget(connection, now_ms - round(days * _DAY_MS))
            shrink(connection)
        return n_deleted

    def _repack(self, connection: WriteConnection, before_ms: int) -> bool:
        """Repack the oldest hour of one writer; return whether there was one."""
        if (oldest := connection.execute(_OLDEST, (before_ms,)).fetchone()) is None:
            return False
        writer, at_ms = oldest
        start = at_ms // HOUR_MS * HOUR_MS
        with connection.transaction():
            rows = connection.execute(_OF_HOUR, (writer, start, start + HOUR_MS)).fetchall()
            if rows:  # else another writer was faster
                _put_hour(connection, writer, rows)
                connection.execute(_DELETE_HOUR, (writer, start, start + HOUR_MS))
                connection.execute("UPDATE state SET packed_seq = max(packed_seq, ?)", (max(row[0] for row in rows),))
        return True

    def _forget(self, connection: WriteConnection, before_ms: int) -> int:
        with connection.transaction():
            old = connection.execute(
                "SELECT id FROM hour WHERE until_ms < ? ORDER BY until_ms LIMIT ?", (before_ms, _DELETED_HOURS)
            ).fetchall()
            for (hour,) in old:
                connection.execute(_FORGET_BLOCKS, (hour << SERIES_BITS, (hour + 1) << SERIES_BITS))
                connection.execute("DELETE FROM hour WHERE id = ?", (hour,))
            if 0 < len(old) < _DELETED_HOURS and connection.execute(_FORGET_SERIES, (before_ms,)).rowcount:
                connection.execute("UPDATE state SET changes = changes + 1")
        return len(old)


def keep_up(file: Path, now_ms: int, days: float) -> int:
    """Do the upkeep of a store that nobody may be writing; raises as `MetricUpkeep.work` does."""
    connection = open_store(file)
    try:
        return MetricUpkeep(file).work(connection, now_ms, days)
    finally:
        connection.close()


def _put_hour(connection: sqlite3.Connection, writer: str, rows: list[tuple[int, int, bytes]]) -> None:
    at_ms: list[int] = []
    scrapes: list[tuple[SeriesIds, SampleValues]] = []
    for _, at, body in rows:
        try:
            scrapes.append(unpack_scrape(body))
        except ValueError as error:
            log.warning("a scrape of %s is left out: %s", writer, error)
            continue
        at_ms.append(at)
    if not scrapes:
        return
    ids = np.unique(np.concatenate([each for each, _ in scrapes]))
    values = np.full((len(ids), len(scrapes)), ABSENT_BITS, dtype=np.uint64)  # shape (n_series, n_scrapes)
    for place, (each, column) in enumerate(scrapes):
        values[np.searchsorted(ids, each), place] = column.view(np.uint64)
    hour = connection.execute(
        "INSERT INTO hour (writer, from_ms, until_ms, times) VALUES (?, ?, ?, ?)",
        (writer, at_ms[0], at_ms[-1], pack_times(np.array(at_ms, dtype=np.int64))),
    ).lastrowid
    if hour is None:
        raise sqlite3.OperationalError("the row of an hour has no number")
    first = hour << SERIES_BITS
    blocks = (
        (first + series, pack_values(row.view(np.float64))) for series, row in zip(ids.tolist(), values, strict=True)
    )
    connection.executemany("INSERT INTO block (hour_and_series, body) VALUES (?, ?)", blocks)
    seen = ((at_ms[-1], series) for series in ids.tolist())
    connection.executemany("UPDATE series SET seen_ms = max(seen_ms, ?) WHERE id = ?", seen)
