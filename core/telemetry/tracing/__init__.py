"""Traces: spans of what a process does, sent to an OpenTelemetry collector. It needs the extra `otel`.

`span.py` is a span and what a caller says of its own, `encoding.py` spells spans as protobuf, `exporter.py` sends them
from a thread of its own, and `traces.py` follows the settings. Nothing heavy is imported before the first span is sent.
"""

from core.telemetry.tracing.span import (
    Attribute,
    CallerSpan,
    SpanKind,
    TraceSpan,
    caller_span,
    new_span_id,
    new_trace_id,
)
from core.telemetry.tracing.traces import NO_TRACES, OpenSpan, SpanCounts, Traces

__all__ = [
    "NO_TRACES",
    "Attribute",
    "CallerSpan",
    "OpenSpan",
    "SpanCounts",
    "SpanKind",
    "TraceSpan",
    "Traces",
    "caller_span",
    "new_span_id",
    "new_trace_id",
]
