"""The columns of each kind of export: names, types, and what they say."""

from enum import StrEnum
from typing import Any, NamedTuple

ExportRows = list[tuple[Any, ...]]
"""Rows in the order of their columns."""


class ExportKind(StrEnum):
    """What can be exported."""

    PREDICTIONS = "predictions"
    OUTCOMES = "outcomes"
    METRICS = "metrics"
    RESOURCES = "resources"
    EPOCHS = "epochs"


class ColumnType(StrEnum):
    """The type of a column: in Parquet a timestamp in µs UTC, a string, an int64, a double or a boolean."""

    TIME = "time"
    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"
    FLAG = "flag"


class ExportColumn(NamedTuple):
    """One column."""

    name: str
    type: ColumnType
    about: str


_AT = ExportColumn("at", ColumnType.TIME, "when, UTC")
_MODEL = ExportColumn("model", ColumnType.TEXT, "the model")
_VERSION = ExportColumn("version", ColumnType.TEXT, "its version")
_REQUEST = ExportColumn("request", ColumnType.WHOLE, "the number of the request: 8 bytes of BLAKE2b of its id")
_VALUE = ExportColumn("value", ColumnType.NUMBER, "the answer: a number, a score, or the second class's probability")
_ANSWER = ExportColumn("answer", ColumnType.TEXT, "the answered class, or the probability of every class as JSON")

KINDS: dict[ExportKind, tuple[ExportColumn, ...]] = {
    ExportKind.PREDICTIONS: (
        ExportColumn("number", ColumnType.WHOLE, "the number of the prediction in the store"),
        _AT,
        _MODEL,
        _VERSION,
        _REQUEST,
        _VALUE,
        _ANSWER,
        ExportColumn("latency_ms", ColumnType.NUMBER, "how long the answer took; empty for further rows of a request"),
        ExportColumn("failed", ColumnType.FLAG, "whether the version failed to answer"),
        ExportColumn("rollout", ColumnType.TEXT, "the rollout, if one was active"),
        ExportColumn("arm", ColumnType.TEXT, "stable, candidate, or a copy: shadow, stable_copy"),
        ExportColumn("share", ColumnType.NUMBER, "the candidate's share of the traffic"),
        ExportColumn("caller", ColumnType.WHOLE, "the number of the caller's key, if requests are routed by it"),
    ),
    ExportKind.OUTCOMES: (
        ExportColumn("number", ColumnType.WHOLE, "the number of the outcome in the store"),
        ExportColumn("at", ColumnType.TIME, "when it was reported, UTC"),
        _REQUEST,
        ExportColumn("actual", ColumnType.NUMBER, "what came, if it is a number"),
        ExportColumn("actual_class", ColumnType.TEXT, "what came, if it is a class"),
        ExportColumn("loss", ColumnType.NUMBER, "the loss, if the caller reported it"),
        ExportColumn("model", ColumnType.TEXT, "the model of the prediction; empty if it is no longer stored"),
        _VERSION,
        ExportColumn("predicted_at", ColumnType.TIME, "when the prediction was made, UTC"),
        _VALUE,
        _ANSWER,
    ),
    ExportKind.METRICS: (
        ExportColumn("at", ColumnType.TIME, "the beginning of the minute or hour, UTC"),
        _MODEL,
        _VERSION,
        ExportColumn("n_requests", ColumnType.WHOLE, "requests answered or failed, without copies"),
        ExportColumn("n_rows", ColumnType.WHOLE, "their rows"),
        ExportColumn("n_failed", ColumnType.WHOLE, "requests that the version failed to answer"),
        ExportColumn("error_share", ColumnType.NUMBER, "n_failed of n_requests, 0 to 1"),
        ExportColumn("mean_ms", ColumnType.NUMBER, "the mean latency of answered requests"),
        ExportColumn("p50_ms", ColumnType.NUMBER, "the median, within 2.5 %"),
        ExportColumn("p95_ms", ColumnType.NUMBER, "the 95th percentile, within 2.5 %"),
        ExportColumn("p99_ms", ColumnType.NUMBER, "the 99th percentile, within 2.5 %"),
        ExportColumn("slowest_ms", ColumnType.NUMBER, "the slowest answer"),
    ),
    ExportKind.RESOURCES: (
        ExportColumn("at", ColumnType.TIME, "the beginning of the minute, UTC"),
        ExportColumn("series", ColumnType.TEXT, "the series, such as resource.cpu_percent"),
        ExportColumn("n", ColumnType.WHOLE, "samples in the minute"),
        ExportColumn("mean", ColumnType.NUMBER, "their mean"),
        ExportColumn("low", ColumnType.NUMBER, "the lowest"),
        ExportColumn("high", ColumnType.NUMBER, "the highest"),
        ExportColumn("p50", ColumnType.NUMBER, "the median, within 2.5 %"),
        ExportColumn("p95", ColumnType.NUMBER, "the 95th percentile, within 2.5 %"),
    ),
    ExportKind.EPOCHS: (
        ExportColumn("run", ColumnType.TEXT, "the run"),
        ExportColumn("epoch", ColumnType.WHOLE, "the epoch"),
        ExportColumn("metric", ColumnType.TEXT, "the metric"),
        _AT,
        ExportColumn("value", ColumnType.NUMBER, "its value; empty if it was not finite"),
    ),
}
"""The columns of each kind, in their order."""
