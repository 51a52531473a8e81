"""Reading time series: whole answers from one statement each, so that no reader holds the store back."""

import os
import sqlite3
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from core.clock import Clock, utc_now
from core.telemetry.chunk import MINUTE_US, SECOND_US, to_us, unpack
from core.telemetry.epoch_reader import FOREVER_US, EpochReader, newest_values, unmeasured
from core.telemetry.errors import translated
from core.telemetry.histogram import Histogram
from core.telemetry.schema import connect_to_read, fetch

_CHUNKS = """
SELECT at, samples FROM sample
WHERE series = (SELECT id FROM series WHERE name = ?) AND at > ? AND at < ? ORDER BY at"""
_SECONDS = """
SELECT at, n, total, low, high FROM second
WHERE series = (SELECT id FROM series WHERE name = ?) AND at >= ? AND at < ? ORDER BY at"""
_MINUTES = """
SELECT at, n, total, low, high, histogram FROM minute
WHERE series = (SELECT id FROM series WHERE name = ?) AND at >= ? AND at < ? ORDER BY at"""
_MEANS = """
SELECT at, total / n FROM minute
WHERE series = (SELECT id FROM series WHERE name = ?) AND at >= ? AND at < ? ORDER BY at"""
_LATEST = """
SELECT at, samples FROM sample WHERE series = (SELECT id FROM series WHERE name = ?) ORDER BY at DESC LIMIT 1"""
_IS_FINITE = "abs(value) < 9e999"  # beyond every float: SQLite reads it as infinity
_EPOCHS = f"SELECT name, epoch, value FROM epoch WHERE run = ? AND at <= ? AND {_IS_FINITE} ORDER BY epoch, name"
_POINTS_OF_RAW = timedelta(minutes=15)
_POINTS_OF_SECONDS = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Second:
    """All samples of one second."""

    at: float  # unix seconds
    n: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Minute:
    """All samples of one minute, with their distribution."""

    at: float  # unix seconds
    n: int
    mean: float
    low: float
    high: float
    histogram: Histogram

    def quantile(self, share: float) -> float:
        """Return the value below which a share of the minute's samples lies, to within 2.5 %."""
        return min(max(self.histogram.quantile(share), self.low), self.high)


class TelemetryReader:
    """Answers from one store file; a file that is not there yet gives empty answers. Safe for several threads.

    Raises (all methods):
        TelemetryDamagedError: The file is damaged; the message names the way back.
        TelemetryError: It cannot be read now.
    """

    def __init__(self, path: Path, *, clock: Clock = utc_now) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file_id: tuple[int, int] | None = None
        self.of_epochs = EpochReader(self._fetch)
        """Reads parts of the history of epochs: the new, the newest, a page, spans."""

    def samples(self, series: str, start: datetime, end: datetime) -> list[tuple[float, float]]:
        """Return the samples at or after `start` and before `end` as (unix seconds, value), in order of time."""
        first, last = to_us(start), to_us(end)
        chunks = self._fetch(_CHUNKS, series, first - MINUTE_US, last)
        found: list[tuple[float, float]] = []
        for begin, packed in chunks:
            points = unpack(begin, packed)
            if begin < first or begin + MINUTE_US > last:  # the chunks at the ends may reach beyond them
                points = ((at_us, value) for at_us, value in points if first <= at_us < last)
            found += [(at_us / SECOND_US, value) for at_us, value in points]
        found.sort()  # late samples; costs next to nothing when there are none
        return found

    def seconds(self, series: str, start: datetime, end: datetime) -> list[Second]:
        """Return the seconds at or after `start` and before `end` that have samples."""
        rows = self._fetch(_SECONDS, series, *_span_seconds(start, end))
        return [Second(at, n, total / n, low, high) for at, n, total, low, high in rows]

    def minutes(self, series: str, start: datetime, end: datetime) -> list[Minute]:
        """Return the finished minutes at or after `start` and before `end` that have samples."""
        rows = self._fetch(_MINUTES, series, *_span_seconds(start, end))
        return [
            Minute(at, n, total / n, low, high, Histogram.unpack(packed)) for at, n, total, low, high, packed in rows
        ]

    def means(self, series: str, start: datetime, end: datetime) -> list[tuple[float, float]]:
        """Return (unix seconds, mean) of the minutes of `minutes`, ten times faster: no distribution is unpacked."""
        return self._fetch(_MEANS, series, *_span_seconds(start, end))

    def latest(self, series: str) -> tuple[float, float] | None:
        """Return the newest sample as (unix seconds, value), or None."""
        for begin, packed in self._fetch(_LATEST, series):
            at_us, value = max(unpack(begin, packed))
            return at_us / SECOND_US, value
        return None

    def recent(self, series: str, seconds: float) -> list[tuple[float, float]]:
        """Return the last N seconds for a chart, as (unix seconds, value).

        Up to a quarter of an hour these are samples, up to three hours means of seconds, beyond that means of
        minutes: never more points than a screen can use.
        """
        end = self._clock() + timedelta(microseconds=1)
        span = timedelta(seconds=seconds)
        if span <= _POINTS_OF_RAW:
            return self.samples(series, end - span, end)
        if span <= _POINTS_OF_SECONDS:
            return [(second.at, second.mean) for second in self.seconds(series, end - span, end)]
        return self.means(series, end - span, end)

    def between(self, series: str, start: datetime, end: datetime) -> list[tuple[float, float]]:
        """Return the finest kept of a time as (unix seconds, value): samples, means of seconds or of minutes."""
        return (
            self.samples(series, start, end)
            or [(second.at, second.mean) for second in self.seconds(series, start, end)]
            or self.means(series, start, end)
        )

    def epochs(self, run_id: str, until: datetime | None = None) -> dict[str, list[tuple[int, float]]]:
        """Return the whole history of a run by metric, each as (epoch, value) in order of epochs.

        This grows with the run. What is read again and again uses `of_epochs` or `EpochCourses`.

        Args:
            run_id: Which run.
            until: Leave out what came after this instant.
        """
        metrics: dict[str, list[tuple[int, float]]] = {}
        for name, epoch, value in self._fetch(_EPOCHS, run_id, to_us(until) if until else FOREVER_US):
            metrics.setdefault(name, []).append((epoch, value))
        return metrics

    def latest_metrics(self, run_id: str) -> dict[str, float]:
        """Return the newest finite value of each metric of a run."""
        return newest_values(self.of_epochs.series(run_id))

    def unmeasured(self, run_id: str) -> tuple[str, ...]:
        """Return the metrics of a run whose newest value is not finite, by name."""
        return unmeasured(self.of_epochs.series(run_id))

    @property
    def generation(self) -> Hashable:
        """A value that changes when another file takes the store's place, or the store another format."""
        with self._lock, translated(self._path):
            if (connection := self._connected()) is None:
                return None
            return self._file_id, connection.execute("PRAGMA user_version").fetchone()

    def close(self) -> None:
        """Close the connection; the next question opens one again."""
        with self._lock:
            self._disconnect()

    def _fetch(self, statement: str, *parameters: object) -> list[Any]:
        with self._lock, translated(self._path):
            connection = self._connected()
            if connection is None:
                return []
            return fetch(connection, statement, *parameters)

    def _connected(self) -> sqlite3.Connection | None:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            self._disconnect()
            return None
        file_id = (status.st_dev, status.st_ino)
        if self._connection is None or file_id != self._file_id:  # a recovery has put another file there
            self._disconnect()
            self._connection, self._file_id = connect_to_read(self._path), file_id
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _span_seconds(start: datetime, end: datetime) -> tuple[int, int]:
    return -(-to_us(start) // SECOND_US), -(-to_us(end) // SECOND_US)
