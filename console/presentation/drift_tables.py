"""The tables of screen 6 for who reads it without a screen: live models, their columns, and their metrics."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from console.presentation import drift, health
from console.presentation.cells import number_cell
from console.presentation.verdicts import performance_cell
from core.monitoring.documents import ModelMonitoring, MonitoredMetric, VersionMonitoring
from widgets.bars import sparkline
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.rows import Cell, Row

_OF = (Column("model", "MODEL", 15, is_key=True), Column("version", "VERSION", 8, is_key=True))
COLUMNS = (*_OF, *drift.COLUMNS)
METRIC_COLUMNS = (
    *_OF,
    Column("basis", "BASIS", 9),
    Column("metric", "METRIC", 10, is_key=True),
    Column("window", "WINDOW", 6),
    Column("slice", "SLICE", 14, flex=1),
    Column("value", "VALUE", 8, align="right"),
    Column("low", "FROM", 8, align="right"),
    Column("high", "TO", 8, align="right"),
    Column("reference", "HELD OUT", 8, align="right"),
    Column("n", "ROWS", 8, align="right"),
    Column("verdict", "VERDICT", 8),
)


def column_rows(monitoring: Sequence[ModelMonitoring], now: datetime, glyphs: Glyphs) -> list[Row]:
    """List the columns of every live version: the worst health first, then the largest effect.

    Args:
        monitoring: What the engine found.
        now: The present.
        glyphs: The signs to use.
    """

    def trend(values: Sequence[float]) -> str:
        return sparkline(values, drift.TREND_WIDTH, low=0.0, glyphs=glyphs) if values else ""

    return [
        Row(f"{health.key_of(model, version)}/{row.key}", (model, version.version, *row.cells))
        for model, version in health.worst_first(monitoring)
        for row in drift.column_rows(version, now, glyphs, trend)
    ]


def metric_rows(monitoring: Sequence[ModelMonitoring], glyphs: Glyphs) -> list[Row]:
    """List the metrics of every live version, by outcomes and as estimated without."""
    return [
        Row(
            "/".join((health.key_of(model, version), basis, metric.metric, metric.window, metric.slice)),
            (
                model,
                version.version,
                basis,
                metric.metric,
                metric.window,
                metric.slice,
                number_cell(metric.value),
                number_cell(metric.low),
                number_cell(metric.high),
                number_cell(metric.reference),
                Cell(f"{metric.n:,}" if metric.n else "", value=metric.n or None),
                performance_cell(metric.verdict, glyphs),
            ),
        )
        for model, version in health.worst_first(monitoring)
        for basis, metric in _metrics(version)
    ]


def _metrics(version: VersionMonitoring) -> Iterator[tuple[str, MonitoredMetric]]:
    if (known := version.performance) is not None:
        yield from (("outcomes", metric) for metric in known.metrics)
        if known.worst_slice is not None:
            yield "outcomes", known.worst_slice
    if version.estimate is not None:
        yield from (("estimate", metric) for metric in version.estimate.metrics)
