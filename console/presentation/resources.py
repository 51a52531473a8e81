"""Machine and processes as gauges, rows and series."""

import math
import os
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from operator import itemgetter

from console.presentation.cells import percent_cell, size_cell
from console.presentation.phrases import NOTHING, instant, percent, rate
from core.settings import AlertSettings
from core.view.snapshot import SeriesPoint, Snapshot
from widgets.chart import Series
from widgets.columns import Column
from widgets.gauge import Gauge
from widgets.line import Line, Span
from widgets.rows import Cell, Row

PROCESS_COLUMNS = (
    Column("process", "PROCESS", 10, flex=1, max_width=24, cut="middle"),
    Column("cpu", "CPU", 6, align="right", field="cpu_percent"),
    Column("memory", "MEMORY", 9, align="right", field="rss_bytes"),
)
MACHINE_COLUMNS = (
    Column("resource", "RESOURCE", 11),
    Column("used", "USED", 10, align="right"),
    Column("limit", "ALERT ABOVE", 11, align="right"),
    Column("series", "SERIES", 42),
)
"""The gauges as a table, where there is none to draw; the name of the series has the unit of the values."""
_PROCESSES = ("engine", "trainer")
_SENT, _RECEIVED = "resource.net_sent_bytes_per_second", "resource.net_received_bytes_per_second"
_DAYS = ("disk.days_until_full", "disk.days_until_full_low", "disk.days_until_full_high")
_OLD_SECONDS = 60.0
HISTORY_STEP_SECONDS = 15.0  # a sparkline then moves four times a minute, not with every sample
_at, _value = itemgetter(0), itemgetter(1)


def gauges(snapshot: Snapshot, limits: AlertSettings, *, with_history: bool = False) -> list[Gauge]:
    """Read the three gauges; each warns at nine tenths of the limit at which the engine raises an alert."""
    return [_gauge(snapshot, label, series, limit, with_history) for label, series, limit in _limited(limits)]


def _limited(limits: AlertSettings) -> tuple[tuple[str, str, float], ...]:
    return (
        ("CPU", "resource.cpu_percent", limits.cpu_percent_max),
        ("memory", "resource.memory_percent", limits.memory_percent_max),
        ("disk", "resource.disk_percent", limits.disk_percent_max),
    )


def machine_rows(snapshot: Snapshot, limits: AlertSettings) -> list[Row]:
    """Draw the gauges and the network as rows of `MACHINE_COLUMNS`, those that were sampled."""
    shares: list[tuple[str | Cell, ...]] = [
        (label, percent_cell(used), percent_cell(limit), series)
        for label, series, limit in _limited(limits)
        if (used := snapshot.latest(series)) is not None
    ]
    rates: list[tuple[str | Cell, ...]] = [
        (f"network {way}", Cell(rate(used), value=used), NOTHING, series)
        for way, series in zip(("in", "out"), (_RECEIVED, _SENT), strict=True)
        if (used := snapshot.latest(series)) is not None
    ]
    days: list[tuple[str | Cell, ...]] = [
        (label, Cell(f"{left:,.1f} days", value=left), NOTHING, series)
        for label, series in zip(("disk full", "  earliest", "  latest"), _DAYS, strict=True)
        if (left := snapshot.latest(series)) is not None
    ]
    return [Row(str(cells[-1]), cells) for cells in (*shares, *days, *rates)]


def _gauge(snapshot: Snapshot, label: str, series: str, limit: float, with_history: bool) -> Gauge:
    value = snapshot.latest(series)
    history = averaged(snapshot.resources.get(series, ()), HISTORY_STEP_SECONDS) if with_history else []
    return Gauge(
        label=label,
        share=None if value is None else value / 100,
        value=percent(value),
        warn_at=0.9 * limit / 100,
        alert_at=limit / 100,
        history=tuple(value / 100 for _, value in history),
        judged=_foreign(snapshot, value) if series == "resource.cpu_percent" and value is not None else None,
    )


def _foreign(snapshot: Snapshot, cpu_percent: float) -> float:
    """Return the share of the CPU that other programs use: our own training is no incident, and raises no alert."""
    own = sum(snapshot.latest(f"process.{name}.cpu_percent") or 0.0 for name in _PROCESSES)
    return max(cpu_percent - own / (os.cpu_count() or 1), 0.0) / 100


def one_line(snapshot: Snapshot, limits: AlertSettings) -> Line:
    """Write the gauges in one line, for screens with little room."""
    spans: list[Span] = []
    for gauge in gauges(snapshot, limits):
        tone = gauge.tone if gauge.tone in ("warn", "bad") else ""
        spans += [(f"{gauge.label} ", "muted"), (gauge.value, tone), ("   ", "")]
    return Line((*spans, ("network ", "muted"), (network(snapshot), "")))


def network(snapshot: Snapshot) -> str:
    """Spell the network traffic."""
    sent, received = snapshot.latest(_SENT), snapshot.latest(_RECEIVED)
    if sent is None and received is None:
        return NOTHING
    return f"in {rate(received)}  out {rate(sent)}"


def outlook(snapshot: Snapshot) -> str:
    """Say when the disk will be full, with the interval; empty while it does not fill up."""
    days, low, high = map(snapshot.latest, _DAYS)
    if days is None:
        return ""
    from core.monitoring.disk_forecast import days_sentence  # not before the first frame: it imports psutil

    return f"disk full in {days_sentence(days, low, high)}"


def process_rows(snapshot: Snapshot) -> list[Row]:
    """Draw each of our processes as a row of `PROCESS_COLUMNS`."""
    return [
        Row(
            name,
            (
                name,
                percent_cell(snapshot.latest(f"process.{name}.cpu_percent")),
                size_cell(snapshot.latest(f"process.{name}.rss_bytes")),
            ),
        )
        for name in _PROCESSES
    ]


def newest_at(snapshot: Snapshot) -> float | None:
    """Return when the machine was last sampled, in unix seconds."""
    points = snapshot.resources.get("resource.cpu_percent", ())
    return points[-1][0] if points else None


def averaged(points: Sequence[SeriesPoint], step_seconds: float) -> list[SeriesPoint]:
    """Average samples over equal steps, so that a chart changes once a step and not with each sample.

    A step without a sample is a gap: nobody measured then. Samples are in the order of time.

    >>> averaged([(0.0, 1.0), (5.0, 3.0), (12.0, 7.0), (31.0, 9.0)], 10.0)
    [(0.0, 2.0), (10.0, 7.0), (20.0, nan), (30.0, 9.0)]
    """
    if not points:
        return []
    first, last = (int(points[place][0] // step_seconds) for place in (0, -1))
    # Looked up by bisection: a console averages thousands of samples each second.
    bounds = [bisect_left(points, step * step_seconds, key=_at) for step in range(first, last + 1)]
    return [
        (step * step_seconds, sum(map(_value, points[start:end])) / (end - start) if end > start else math.nan)
        for step, (start, end) in enumerate(pairwise((*bounds, len(points))), first)
    ]


def span_title(snapshot: Snapshot, now: datetime) -> str:
    """Say which ten minutes the charts show: the last ones, or those before the newest sample if that is old."""
    sampled_at = newest_at(snapshot)
    if sampled_at is None or now.timestamp() - sampled_at < _OLD_SECONDS:
        return "The last ten minutes"
    return f"The ten minutes before {instant(datetime.fromtimestamp(sampled_at, now.tzinfo))}"


def machine_series(snapshot: Snapshot) -> list[Series]:
    """Draw CPU, memory and disk in percent over the minutes before now."""
    return [
        Series(name, _by_minutes_ago(snapshot, f"resource.{series}"))
        for name, series in (("CPU", "cpu_percent"), ("memory", "memory_percent"), ("disk", "disk_percent"))
    ]


def network_series(snapshot: Snapshot) -> list[Series]:
    """Draw incoming and outgoing traffic in KiB per second."""
    return [
        Series(name, tuple((x, y / 1024) for x, y in _by_minutes_ago(snapshot, f"resource.net_{series}")))
        for name, series in (("in", "received_bytes_per_second"), ("out", "sent_bytes_per_second"))
    ]


def _by_minutes_ago(snapshot: Snapshot, series: str) -> tuple[SeriesPoint, ...]:
    points = averaged(snapshot.resources.get(series, ()), HISTORY_STEP_SECONDS)
    return tuple(((at - points[-1][0]) / 60, value) for at, value in points)
