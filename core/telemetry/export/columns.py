"""The columns of each kind of export: names, types, and what they say."""

from enum import StrEnum
from typing import NamedTuple


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


class Column(NamedTuple):
    """One column."""

    name: str
    type: ColumnType
    about: str


_AT = Column("at", ColumnType.TIME, "when, UTC")
_MODEL = Column("model", ColumnType.TEXT, "the model")
_VERSION = Column("version", ColumnType.TEXT, "its version")
_REQUEST = Column("request", ColumnType.WHOLE, "the number of the request: the first 8 bytes of BLAKE2b of its id")
_VALUE = Column("value", ColumnType.NUMBER, "the answer: a number, a score, or the probability of the second class")
_ANSWER = Column("answer", ColumnType.TEXT, "the answered class, or the probability of every class as JSON")

KINDS: dict[ExportKind, tuple[Column, ...]] = {
    ExportKind.PREDICTIONS: (
        Column("number", ColumnType.WHOLE, "the number of the prediction in the store"),
        _AT,
        _MODEL,
        _VERSION,
        _REQUEST,
        _VALUE,
        _ANSWER,
        Column("latency_ms", ColumnType.NUMBER, "how long the answer took; empty for further rows of a request"),
        Column("failed", ColumnType.FLAG, "whether the version failed to answer"),
        Column("rollout", ColumnType.TEXT, "the rollout, if one was active"),
        Column("arm", ColumnType.TEXT, "stable, candidate, or a copy: shadow, stable_copy"),
        Column("share", ColumnType.NUMBER, "the candidate's share of the traffic"),
        Column("caller", ColumnType.WHOLE, "the number of the caller's key, if requests are routed by it"),
    ),
    ExportKind.OUTCOMES: (
        Column("number", ColumnType.WHOLE, "the number of the outcome in the store"),
        Column("at", ColumnType.TIME, "when it was reported, UTC"),
        _REQUEST,
        Column("actual", ColumnType.NUMBER, "what came, if it is a number"),
        Column("actual_class", ColumnType.TEXT, "what came, if it is a class"),
        Column("loss", ColumnType.NUMBER, "the loss, if the caller reported it"),
        Column("model", ColumnType.TEXT, "the model of the prediction; empty if it is no longer stored"),
        _VERSION,
        Column("predicted_at", ColumnType.TIME, "when the prediction was made, UTC"),
        _VALUE,
        _ANSWER,
    ),
    ExportKind.METRICS: (
        Column("at", ColumnType.TIME, "the beginning of the minute or hour, UTC"),
        _MODEL,
        _VERSION,
        Column("n_requests", ColumnType.WHOLE, "requests answered or failed, without copies"),
        Column("n_rows", ColumnType.WHOLE, "their rows"),
        Column("n_failed", ColumnType.WHOLE, "requests that the version failed to answer"),
        Column("error_share", ColumnType.NUMBER, "n_failed of n_requests, 0 to 1"),
        Column("mean_ms", ColumnType.NUMBER, "the mean latency of answered requests"),
        Column("p50_ms", ColumnType.NUMBER, "the median, within 2.5 %"),
        Column("p95_ms", ColumnType.NUMBER, "the 95th percentile, within 2.5 %"),
        Column("p99_ms", ColumnType.NUMBER, "the 99th percentile, within 2.5 %"),
        Column("slowest_ms", ColumnType.NUMBER, "the slowest answer"),
    ),
    ExportKind.RESOURCES: (
        Column("at", ColumnType.TIME, "the beginning of the minute, UTC"),
        Column("series", ColumnType.TEXT, "the series, such as resource.cpu_percent"),
        Column("n", ColumnType.WHOLE, "samples in the minute"),
        Column("mean", ColumnType.NUMBER, "their mean"),
        Column("low", ColumnType.NUMBER, "the lowest"),
        Column("high", ColumnType.NUMBER, "the highest"),
        Column("p50", ColumnType.NUMBER, "the median, within 2.5 %"),
        Column("p95", ColumnType.NUMBER, "the 95th percentile, within 2.5 %"),
    ),
    ExportKind.EPOCHS: (
        Column("run", ColumnType.TEXT, "the run"),
        Column("epoch", ColumnType.WHOLE, "the epoch"),
        Column("metric", ColumnType.TEXT, "the metric"),
        _AT,
        Column("value", ColumnType.NUMBER, "its value; empty if it was not finite"),
    ),
}
"""The columns of each kind, in their order."""
