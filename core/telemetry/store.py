"""Writing to the time series store: batches, rollups by the minute, retention. One connection, no thread, no clock."""

import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from core.settings import TelemetrySettings
from core.telemetry.chunk import MINUTE_US, SECOND_US, pack, to_us, unpack
from core.telemetry.compaction import shrink
from core.telemetry.epoch_store import EpochMetric, put_epochs
from core.telemetry.errors import translated
from core.telemetry.histogram import Histogram
from core.telemetry.schema import connect_to_write

_FULL_CHUNK = 1024  # 8 kB: two pages; smaller rows leave pages half empty, larger ones are rewritten too often
_SLICE = 1_000
_ROWS_A_TRANSACTION = 5_000
_LATE = timedelta(seconds=5)
_FLOAT32 = struct.Struct("<f")

_ADD_SAMPLES = """
INSERT INTO sample (series, at, n, samples) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET n = n + excluded.n, samples = CAST(samples || excluded.samples AS BLOB)"""
_ADD_SECOND = """
INSERT INTO second (series, at, n, total, low, high) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET n = n + excluded.n, total = total + excluded.total,
    low = min(low, excluded.low), high = max(high, excluded.high)"""
_PUT_MINUTE = "INSERT OR {} INTO minute (series, at, n, total, low, high, histogram) VALUES (?, ?, ?, ?, ?, ?, ?)"
_EXPIRE = """
DELETE FROM {table} WHERE series = ?1 AND at IN
    (SELECT at FROM {table} WHERE series = ?1 AND at < ?2 ORDER BY at LIMIT ?3)"""


class MetricSample(NamedTuple):
    """One value of one series; a plain tuple, since thousands come a second."""

    series: str
    at_us: int
    value: float


class TelemetryStore:
    """The writing side of one store file. Not for use by two threads at once; several processes may each have one."""

    def __init__(self, file: Path, retention: TelemetrySettings) -> None:
        """Open the store, and make it if there is none.

        Raises:
            TelemetryError: It cannot be opened, or is damaged.
        """
        self._file = file
        self._retention = retention
        self._connection = connect_to_write(file)
        self._series_ids: dict[str, int] = {}
        self._open_chunks: dict[int, tuple[int, int]] = {}  # series -> (start in µs, samples in it)
        self._unrolled: set[tuple[int, int]] | None = None  # (series, minute in s); None: not looked up yet

    def write(self, samples: Sequence[MetricSample], epochs: Sequence[EpochMetric] = ()) -> None:
        """Store a batch, all of it or nothing.

        Args:
            samples: Finite values, in any order.
            epochs: Finite values; one that is there already is replaced.

        Raises:
            TelemetryError: The store cannot be written now; the batch may be tried again.
        """
        touched: set[tuple[int, int]] = set()
        # Copies, taken over only once the batch is committed.
        open_chunks, series_ids = dict(self._open_chunks), dict(self._series_ids)
        with translated(self._file), self._connection.transaction() as connection:
            by_series: dict[str, list[tuple[int, float]]] = defaultdict(list)
            for name, at_us, value in samples:
                by_series[name].append((at_us, value))
            for name, points in by_series.items():
                if (series := series_ids.get(name)) is None:
                    series = series_ids[name] = _series_id(connection, name)
                points.sort()
                self._add_chunks(connection, series, points, open_chunks)
                connection.executemany(_ADD_SECOND, _seconds(series, points))
                touched.update((series, at_us // MINUTE_US * 60) for at_us, _ in points)
            put_epochs(connection, epochs)
        self._open_chunks, self._series_ids = open_chunks, series_ids
        if self._unrolled is not None:
            self._unrolled |= touched

    def roll_up(self, now: datetime) -> int:
        """Write the histogram of each minute that is over and has new samples.

        A minute is always counted from all its raw samples, so doing it twice, or after a crash, changes nothing.

        Returns:
            How many minutes were written.

        Raises:
            TelemetryError: The store cannot be written now.
        """
        end = to_us(now - _LATE) // MINUTE_US * 60
        with translated(self._file):
            if self._unrolled is None:
                self._unrolled = self._left_unrolled()
            over = sorted(key for key in self._unrolled if key[1] < end)
            rows = [row for series, at in over if (row := self._minute(series, at)) is not None]
            # A minute whose samples have begun to expire is not counted again from those that are left.
            expired = to_us(now - timedelta(hours=self._retention.raw_hours)) // SECOND_US
            with self._connection.transaction() as connection:
                connection.executemany(_PUT_MINUTE.format("REPLACE"), [row for row in rows if row[1] >= expired])
                connection.executemany(_PUT_MINUTE.format("IGNORE"), [row for row in rows if row[1] < expired])
        self._unrolled.difference_update(over)
        return len(rows)

    def expire(self, now: datetime) -> int:
        """Delete a slice of the expired rows of each series and table: a little, but often.

        Returns:
            How many rows were deleted.

        Raises:
            TelemetryError: The store cannot be written now.
        """
        keep = self._retention
        limits = {
            "sample": to_us(now - timedelta(hours=keep.raw_hours)),
            "second": to_us(now - timedelta(hours=keep.seconds_hours)) // SECOND_US,
            "minute": to_us(now - timedelta(days=keep.minutes_days)) // SECOND_US,
        }
        with translated(self._file):
            series_ids = [series for (series,) in self._connection.execute("SELECT id FROM series").fetchall()]
            places = [(table, series, limit) for table, limit in limits.items() for series in series_ids]
            return self._expire_each(places)

    def _expire_each(self, places: Sequence[tuple[str, int, int]]) -> int:
        """Delete a slice of each table and series, in transactions so small that no other writer waits for long."""
        n_deleted = done = 0
        while done < len(places):
            n_here = 0
            with self._connection.transaction() as connection:
                while done < len(places) and n_here < _ROWS_A_TRANSACTION:
                    table, series, limit = places[done]
                    n_here += connection.execute(_EXPIRE.format(table=table), (series, limit, _SLICE)).rowcount
                    done += 1
            n_deleted += n_here
            if done < len(places):
                self._connection.give_way()
        return n_deleted

    def shrink(self) -> int:
        """Give some of the space of deleted rows back to the disk, if there is much of it; return the bytes.

        Raises:
            TelemetryError: The store cannot be written now.
        """
        with translated(self._file):
            return shrink(self._connection)

    def wal_bytes(self) -> int:
        """Return the size of the write-ahead log; it grows while some reader keeps a transaction open."""
        try:
            return self._file.with_name(self._file.name + "-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def recycle_wal(self) -> None:
        """Move the write-ahead log into the database, as far as readers allow without waiting for them."""
        with translated(self._file):
            self._connection.execute("PRAGMA busy_timeout = 0")
            try:
                with self._connection.alone():
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {int(self._connection.patience_seconds * 1000)}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _add_chunks(
        self,
        connection: sqlite3.Connection,
        series: int,
        points: list[tuple[int, float]],
        open_chunks: dict[int, tuple[int, int]],
    ) -> None:
        for minute, in_minute in groupby(points, key=lambda point: point[0] // MINUTE_US):
            chunk = list(in_minute)
            start, n = open_chunks.get(series, (-1, 0))
            # Slow series share a row for up to a minute: a row a sample would be fifteen times slower to read.
            if start // MINUTE_US != minute or start > chunk[0][0] or n + len(chunk) > _FULL_CHUNK:
                start, n = chunk[0][0], 0
            connection.execute(_ADD_SAMPLES, (series, start, len(chunk), pack(start, chunk)))
            open_chunks[series] = (start, n + len(chunk))

    def _left_unrolled(self) -> set[tuple[int, int]]:
        """Find minutes whose samples are there and whose rollup a killed process may have left undone."""
        rows = self._connection.execute(
            f"""SELECT DISTINCT series, at / {MINUTE_US} * 60 FROM sample WHERE at >= {SECOND_US} *
                coalesce((SELECT max(at) FROM minute WHERE minute.series = sample.series), 0)"""
        )
        return {(series, at) for series, at in rows.fetchall()}

    def _minute(self, series: int, at: int) -> tuple[int, int, int, float, float, float, bytes] | None:
        chunks = self._connection.execute(
            "SELECT at, samples FROM sample WHERE series = ? AND at >= ? AND at < ?",
            (series, at * SECOND_US, (at + 60) * SECOND_US),
        ).fetchall()
        values = [value for start, packed in chunks for _, value in unpack(start, packed)]
        if not values:  # older than the raw retention when it came
            return None
        histogram = Histogram.of(values).pack()
        return series, at, len(values), sum(values), min(values), max(values), histogram


def _series_id(connection: sqlite3.Connection, name: str) -> int:
    connection.execute("INSERT OR IGNORE INTO series (name) VALUES (?)", (name,))
    (found,) = connection.execute("SELECT id FROM series WHERE name = ?", (name,)).fetchone()
    return int(found)


def _seconds(series: int, points: Iterable[tuple[int, float]]) -> Iterable[tuple[int, int, int, float, float, float]]:
    for at, in_second in groupby(points, key=lambda point: point[0] // SECOND_US):
        # As a chunk will give them back, so that all resolutions agree.
        values = [_FLOAT32.unpack(_FLOAT32.pack(value))[0] for _, value in in_second]
        yield series, at, len(values), sum(values), min(values), max(values)
