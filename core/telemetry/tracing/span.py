"""A span, and the span of a caller that a request names by W3C Trace Context."""

import re
import secrets
from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED: Final = 1

Attribute = str | bool | int | float
"""The value of an attribute: names, numbers and kinds, never a secret and never a value of a row."""


class SpanKind(IntEnum):
    """The kinds of OpenTelemetry that we have."""

    INTERNAL = 1
    SERVER = 2


class TraceSpan(NamedTuple):
    """What was done, when, and as a part of what. Times are Unix time in nanoseconds."""

    name: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes  # empty: it is the first of its trace
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Attribute]
    kind: SpanKind = SpanKind.INTERNAL
    error: str | None = None  # the type of the error that ended it; a text could quote a row
    is_of_caller: bool = False  # whether the parent is in another process


class CallerSpan(NamedTuple):
    """The span that a caller is in."""

    trace_id: bytes
    span_id: bytes
    is_sampled: bool


def caller_span(traceparent: bytes | None) -> CallerSpan | None:
    """Read the header `traceparent` of a request; None if there is none, or it is damaged, as the standard says.

    >>> caller_span(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").span_id.hex()
    '00f067aa0ba902b7'
    >>> caller_span(b"00-00000000000000000000000000000000-00f067aa0ba902b7-01")

    Source: W3C Recommendation, Trace Context, 23 November 2021, section 3.2.
    """
    if traceparent is None or (found := _TRACEPARENT.fullmatch(traceparent)) is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    trace_id, span_id = bytes.fromhex(trace.decode()), bytes.fromhex(span.decode())
    if not any(trace_id) or not any(span_id):
        return None
    return CallerSpan(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def new_trace_id() -> bytes:
    """Return the id of a new trace."""
    return secrets.token_bytes(16)


def new_span_id() -> bytes:
    """Return the id of a new span."""
    return secrets.token_bytes(8)
