"""The spans of predict requests: a share of them, chosen by the id of their trace."""

import time
from typing import Final

from core.errors import CoreError
from core.serving.authenticator import Headers
from core.serving.errors import ServingError, status_of
from core.serving.table import Assignment
from core.telemetry.tracing import Attribute, SpanKind, Traces, TraceSpan, caller_span, new_span_id, new_trace_id
from core.telemetry.tracing.exporter import SpanExporter

_NAME: Final = "predict"
_HEADER: Final = b"traceparent"


class RequestTraces:
    """Makes spans of a share of the requests.

    The last eight bytes of the id of a trace decide, as they do in the libraries of OpenTelemetry. So a request is
    chosen here whenever its caller has chosen the same or a smaller share, and is never chosen if its caller has not.
    """

    def __init__(self, exporter: SpanExporter, share: float) -> None:
        """Prepare.

        Args:
            exporter: Sends the spans.
            share: The share of the requests, above 0.
        """
        self.exporter, self.share = exporter, share
        self._bound = round(share * 2**64)

    def answered(self, headers: Headers, dialect: str, assignment: Assignment, n_rows: int, begin: float) -> None:
        """Note a request that was answered.

        Args:
            headers: Of the request, by lower-case name.
            dialect: Its dialect.
            assignment: Who has answered.
            n_rows: How many rows were answered.
            begin: When it began, by `time.perf_counter`.
        """
        version = assignment.version
        told: dict[str, Attribute] = {
            "bondx.dialect": dialect,
            "bondx.model": version.model,
            "bondx.version": version.version,
            "bondx.rows": n_rows,
        }
        if assignment.rollout_id is not None:
            told |= {"bondx.rollout": assignment.rollout_id, "bondx.arm": str(assignment.arm)}
        self._note(headers, told, begin, None)

    def failed(self, headers: Headers, dialect: str, error: Exception, begin: float) -> None:
        """Note a request of an admitted caller that gets no answer; what the caller wrote is not repeated."""
        status = status_of(error if isinstance(error, CoreError) else ServingError(""))
        told: dict[str, Attribute] = {"bondx.dialect": dialect, "http.response.status_code": status}
        self._note(headers, told, begin, type(error).__name__)

    def _note(self, headers: Headers, told: dict[str, Attribute], begin: float, error: str | None) -> None:
        caller = caller_span(headers.get(_HEADER))
        trace_id = new_trace_id() if caller is None else caller.trace_id
        is_chosen = int.from_bytes(trace_id[8:]) < self._bound
        if not is_chosen or not (caller is None or caller.is_sampled):
            return
        now = time.time_ns()
        parent_id = b"" if caller is None else caller.span_id
        start = now - round((time.perf_counter() - begin) * 1e9)
        self.exporter.offer(
            TraceSpan(
                _NAME,
                trace_id,
                new_span_id(),
                parent_id,
                start,
                now,
                told,
                SpanKind.SERVER,
                error,
                is_of_caller=caller is not None,
            )
        )


def traces_in_force(known: RequestTraces | None, traces: Traces) -> RequestTraces | None:
    """Return what makes the spans that the settings want now; None if they want none, as by default.

    Args:
        known: What made them until now.
        traces: Of the process.
    """
    exporter = traces.exporter()
    wanted = exporter.settings.traces if exporter is not None else None
    share = 0.0 if wanted is None else wanted.request_share
    if exporter is None or share == 0:
        return None
    return known if known is not None and known.exporter is exporter else RequestTraces(exporter, share)
