"""The rows of resources and epochs, a page at a time."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from core.telemetry.chunk import SECOND_US
from core.telemetry.epoch_store import OUTSIDE_RUNS
from core.telemetry.errors import translated
from core.telemetry.export.columns import ExportRows
from core.telemetry.export.predictions import PAGE_ROWS, ExportPeriod
from core.telemetry.histogram import Histogram
from core.telemetry.schema import connect_to_read, fetch

_MINUTES = """
SELECT series, minute.at, name, n, total, low, high, histogram FROM minute JOIN series ON series.id = series
WHERE (series, minute.at) > (?, ?) AND minute.at >= ? AND minute.at < ? ORDER BY series, minute.at LIMIT ?"""
_EPOCHS = f"""
SELECT run, epoch, name, at, CASE WHEN abs(value) < 9e999 THEN value END FROM epoch
WHERE (run, epoch, name) > (?, ?, ?) AND at >= ? AND at < ? AND substr(run, 1, 1) <> '{OUTSIDE_RUNS}'
    AND (?6 IS NULL OR substr(name, 1, length(?6)) = ?6) ORDER BY run, epoch, name LIMIT ?7"""


def resource_rows(file: Path, wanted: ExportPeriod) -> Iterator[ExportRows]:
    """Yield the minutes of every series, by series and time."""
    since, until = (-(-us // SECOND_US) for us in wanted.us)
    place: tuple[int, int] = (-1, 0)
    while rows := _fetched(file, _MINUTES, *place, since, until, PAGE_ROWS):
        place = rows[-1][0], rows[-1][1]
        yield [_minute(*row[1:]) for row in rows]


def _minute(at: int, name: str, n: int, total: float, low: float, high: float, packed: bytes) -> tuple[Any, ...]:
    middle, most = (min(max(each, low), high) for each in Histogram.unpack(packed).quantiles((0.5, 0.95)))
    return at * SECOND_US, name, n, total / n, low, high, middle, most


def epoch_rows(file: Path, wanted: ExportPeriod) -> Iterator[ExportRows]:
    """Yield the metrics of every epoch, by run, epoch and metric; of a model, those whose names begin with it."""
    prefix = None if wanted.model is None else f"{wanted.model}."
    place: tuple[str, int, str] = ("", -1, "")
    while rows := _fetched(file, _EPOCHS, *place, *wanted.us, prefix, PAGE_ROWS):
        place = rows[-1][0], rows[-1][1], rows[-1][2]
        yield rows


def _fetched(file: Path, statement: str, *parameters: object) -> list[Any]:
    if not file.exists():
        return []
    with translated(file), closing(connect_to_read(file)) as connection:
        return fetch(connection, statement, *parameters)
