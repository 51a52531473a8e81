"""Spans as a request of OTLP."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from core.telemetry.tracing.span import Attribute, TraceSpan

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_ERROR: Final = 2
_IS_SAMPLED: Final = 0x001
_IS_REMOTE_KNOWN: Final = 0x100
_IS_REMOTE: Final = 0x200


def traces_request(spans: Iterable[TraceSpan], resource: Mapping[str, str]) -> "ExportTraceServiceRequest":
    """Return the request that tells a collector of spans.

    Args:
        spans: The spans.
        resource: What describes the process, such as service.name.
    Raises:
        ImportError: The extra `otel` is not installed.
    """
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    of_process = request.resource_spans.add()
    _describe(of_process.resource.attributes, resource)
    scope = of_process.scope_spans.add()
    scope.scope.name = "bondx"
    for span in spans:
        told = scope.spans.add(
            name=span.name,
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_span_id=span.parent_id,
            start_time_unix_nano=span.start_ns,
            end_time_unix_nano=max(span.start_ns, span.end_ns),  # a clock may be set back
            kind=int(span.kind),
            flags=_IS_SAMPLED | _IS_REMOTE_KNOWN | (_IS_REMOTE if span.is_of_caller else 0),
        )
        _describe(told.attributes, span.attributes)
        if span.error is not None:
            told.status.code = _ERROR
            _describe(told.attributes, {"error.type": span.error})
    return request


def _describe(attributes: Any, values: Mapping[str, Attribute]) -> None:
    for name, value in values.items():
        told = attributes.add(key=name).value
        if isinstance(value, bool):
            told.bool_value = value
        elif isinstance(value, int):
            told.int_value = value
        elif isinstance(value, float):
            told.double_value = value
        else:
            told.string_value = value
