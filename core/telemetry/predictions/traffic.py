"""The traffic of each version by the minute and the hour: counts, failures, and the distribution of latencies.

The writer adds to both in the transaction that stores the predictions, so that a count is never off, and a question
about hours costs a row for each hour and route, however many predictions came.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from core.errors import UsageError
from core.telemetry.chunk import MINUTE_US, from_us, to_us
from core.telemetry.histogram import Histogram
from core.telemetry.predictions.matching import listed
from core.telemetry.predictions.records import Arm

_OF = "SELECT {columns} FROM traffic_{grain} WHERE route = ? AND at = ?"
_COLUMNS = "n_requests, n_rows, n_failed, n_timed, total_ms, slowest_ms, latencies"
_PUT = "INSERT OR REPLACE INTO traffic_{grain} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_BETWEEN = f"""
SELECT route, at, {_COLUMNS} FROM traffic_{{grain}} WHERE route IN ({{routes}}) AND at >= ? AND at < ?"""
_ROUTES = """
SELECT id, model, version FROM route
WHERE arm NOT IN (?1, ?2) AND (?3 IS NULL OR model = ?3) AND (?4 IS NULL OR version = ?4)"""
_EXPIRE = """
DELETE FROM traffic_{grain} WHERE (route, at) IN
    (SELECT route, at FROM route CROSS JOIN traffic_{grain} ON route = id WHERE at < ? LIMIT ?)"""


class TrafficGrain(StrEnum):
    """The length of the spans that are counted."""

    MINUTE = "minute"
    HOUR = "hour"

    @property
    def us(self) -> int:
        """The length in microseconds."""
        return MINUTE_US if self is TrafficGrain.MINUTE else 60 * MINUTE_US


_USUAL = {TrafficGrain.MINUTE: timedelta(hours=1), TrafficGrain.HOUR: timedelta(days=1)}


class TrafficSpan(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of a version to its callers in one minute or hour; copies of requests are left out.

    Quantiles are right to within 2.5 %, and None if no request was answered.
    """

    at: datetime  # its beginning
    model: str
    version: str
    n_requests: int
    n_rows: int
    n_failed: int  # requests that the server failed to answer
    error_share: float
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    slowest_ms: float | None


class _Sums(NamedTuple):
    """What is stored of one route in one span."""

    n_requests: int
    n_rows: int
    n_failed: int
    n_timed: int  # answered requests with a latency
    total_ms: float
    slowest_ms: float
    latencies: Histogram

    def joined(self, other: "_Sums") -> "_Sums":
        return _Sums(
            self.n_requests + other.n_requests,
            self.n_rows + other.n_rows,
            self.n_failed + other.n_failed,
            self.n_timed + other.n_timed,
            self.total_ms + other.total_ms,
            max(self.slowest_ms, other.slowest_ms),
            Histogram.merged((self.latencies, other.latencies)),
        )


def count_traffic(connection: sqlite3.Connection, rows: Iterable[Sequence[Any]]) -> None:
    """Add predictions to the minute and the hour of their routes; within the transaction that stores them.

    Args:
        connection: To the store.
        rows: Predictions in the order of the columns of their table: the route second, then the request, the time,
            the latency, and whether the version failed.
    """
    minutes: dict[tuple[int, int], list[Sequence[Any]]] = {}
    for row in rows:
        minutes.setdefault((row[1], row[3] // MINUTE_US), []).append(row)
    hours: dict[tuple[int, int], _Sums] = {}
    for (route, minute), of_minute in minutes.items():
        sums = _sums_of(of_minute)
        _add(connection, TrafficGrain.MINUTE, route, minute * MINUTE_US, sums)
        hour = (route, minute // 60)
        hours[hour] = hours[hour].joined(sums) if hour in hours else sums
    for (route, hour_number), sums in hours.items():
        _add(connection, TrafficGrain.HOUR, route, hour_number * TrafficGrain.HOUR.us, sums)


def traffic_of(
    connection: sqlite3.Connection,
    grain: TrafficGrain,
    model: str | None,
    version: str | None = None,
    *,
    since_us: int,
    until_us: int,
) -> list[TrafficSpan]:
    """Read the spans that begin at or after an instant and before another, by time, model and version."""
    routes = {
        route: (of_model, version)
        for route, of_model, version in connection.execute(_ROUTES, (Arm.SHADOW, Arm.STABLE_COPY, model, version))
    }
    query = _BETWEEN.format(grain=grain, routes=listed(routes))
    found: dict[tuple[int, str, str], _Sums] = {}
    for route, at, *stored in connection.execute(query, (since_us, until_us)):
        sums, key = _unpacked(stored), (at, *routes[route])
        found[key] = found[key].joined(sums) if key in found else sums
    return [_span(from_us(key[0]), key[1], key[2], found[key]) for key in sorted(found)]


def traffic_period(
    since: datetime | None, until: datetime | None, grain: TrafficGrain, now: datetime
) -> tuple[datetime, datetime]:
    """Return the period that is meant where its ends are left out: the last hour of minutes, the last day of hours.

    Raises:
        UsageError: It ends before it begins.
    """
    end = until or now
    begin = since or end - _USUAL[grain]
    if begin >= end:
        raise UsageError(f"The period begins at {begin:%Y-%m-%d %H:%M} UTC and must end after that.")
    return begin, end


def expire_traffic(connection: sqlite3.Connection, grain: TrafficGrain, before: datetime, n_at_most: int) -> int:
    """Delete a slice of the spans before an instant, and return how many they were."""
    return connection.execute(_EXPIRE.format(grain=grain), (to_us(before), n_at_most)).rowcount


def _sums_of(rows: Sequence[Sequence[Any]]) -> _Sums:
    times = [row[4] for row in rows if row[4] is not None and not row[5]]
    n_failed = sum(1 for row in rows if row[5])
    return _Sums(
        n_requests=n_failed + len(times),
        n_rows=len(rows),
        n_failed=n_failed,
        n_timed=len(times),
        total_ms=sum(times),
        slowest_ms=max(times, default=0.0),
        latencies=Histogram.of(times),
    )


def _add(connection: sqlite3.Connection, grain: TrafficGrain, route: int, at: int, sums: _Sums) -> None:
    stored = connection.execute(_OF.format(columns=_COLUMNS, grain=grain), (route, at)).fetchone()
    if stored is not None:
        sums = sums.joined(_unpacked(stored))
    connection.execute(_PUT.format(grain=grain), (route, at, *sums[:-1], sums.latencies.pack()))


def _unpacked(stored: Sequence[Any]) -> _Sums:
    *counts, packed = stored
    return _Sums._make((*counts, Histogram.unpack(packed)))


def _span(at: datetime, model: str, version: str, sums: _Sums) -> TrafficSpan:
    quantiles: list[float | None] = [None, None, None]
    if sums.n_timed:
        quantiles = [min(each, sums.slowest_ms) for each in sums.latencies.quantiles((0.5, 0.95, 0.99))]
    return TrafficSpan(
        at=at,
        model=model,
        version=version,
        n_requests=sums.n_requests,
        n_rows=sums.n_rows,
        n_failed=sums.n_failed,
        error_share=sums.n_failed / sums.n_requests if sums.n_requests else 0.0,
        mean_ms=sums.total_ms / sums.n_timed if sums.n_timed else None,
        p50_ms=quantiles[0],
        p95_ms=quantiles[1],
        p99_ms=quantiles[2],
        slowest_ms=sums.slowest_ms if sums.n_timed else None,
    )
