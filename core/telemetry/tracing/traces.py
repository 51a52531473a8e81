"""The traces of one process: whether there are any now, as the settings say, and the spans that are open."""

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from core.settings.current import CurrentSettings
from core.telemetry.tracing.exporter import SpanCounts, SpanExporter
from core.telemetry.tracing.span import Attribute, TraceSpan, new_span_id, new_trace_id

__all__ = ["NO_TRACES", "OpenSpan", "SpanCounts", "Traces"]

_CLOSING_SECONDS: Final = 2.0


class Traces:
    """Opens spans, which cost nothing while the settings want no traces. Safe for several threads."""

    def __init__(self, settings: CurrentSettings | None = None, resource: Mapping[str, str] | None = None) -> None:
        """Prepare; nothing is read yet.

        Args:
            settings: The settings in force; None for a process that has no traces.
            resource: What describes the process, such as service.name.
        """
        self._settings, self._resource = settings, dict(resource or {})
        self._lock = threading.Lock()
        self._exporter: SpanExporter | None = None
        self.counts = SpanCounts()
        """The spans that were sent, and that were lost."""

    def exporter(self) -> SpanExporter | None:
        """Return who sends spans now, or None; it costs a `stat()` of the settings while nothing changes."""
        if self._settings is None:
            return None
        wanted = self._settings.read().telemetry.otlp
        if wanted is not None and wanted.traces is None:
            wanted = None
        with self._lock:
            if (self._exporter.settings if self._exporter is not None else None) != wanted:
                if self._exporter is not None:
                    self._exporter.close()
                self._exporter = None if wanted is None else SpanExporter(wanted, self._resource, self.counts)
            return self._exporter

    def span(
        self,
        name: str,
        attributes: Mapping[str, Attribute],
        *,
        part_of: "OpenSpan | None" = None,
        start_ns: int | None = None,
    ) -> "OpenSpan":
        """Open a span; `with` ends it.

        Args:
            name: What is done.
            attributes: What describes it: names and numbers, no secrets and no values of rows.
            part_of: The span that it is a part of; by default it begins a trace.
            start_ns: When it began, Unix time in nanoseconds; by default now.
        """
        exporter = self.exporter() if part_of is None else part_of.exporter
        return OpenSpan(exporter, name, attributes, part_of, start_ns)

    def close(self) -> None:
        """Send what waits, for two seconds at most, and end."""
        with self._lock:
            exporter, self._exporter, self._settings = self._exporter, None, None
        if exporter is not None:
            exporter.close(_CLOSING_SECONDS)


class OpenSpan:
    """A span that has begun; a context manager that ends it, as failed if an error passes."""

    def __init__(
        self,
        exporter: SpanExporter | None,
        name: str,
        attributes: Mapping[str, Attribute],
        part_of: "OpenSpan | None",
        start_ns: int | None,
    ) -> None:
        self.exporter = exporter
        if exporter is None:
            return
        self._name, self._attributes = name, dict(attributes)
        self._trace_id: bytes = new_trace_id() if part_of is None else part_of._trace_id
        self._parent_id: bytes = b"" if part_of is None else part_of._span_id
        self._span_id: bytes = new_span_id()
        self._start_ns = time.time_ns() if start_ns is None else start_ns

    def tell(self, attributes: Mapping[str, Attribute]) -> None:
        """Add what is known only now."""
        if self.exporter is not None:
            self._attributes.update(attributes)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        if self.exporter is not None:
            error_type = None if kind is None else kind.__name__
            self.exporter.offer(
                TraceSpan(
                    self._name,
                    self._trace_id,
                    self._span_id,
                    self._parent_id,
                    self._start_ns,
                    time.time_ns(),
                    self._attributes,
                    error=error_type,
                )
            )


NO_TRACES: Final = Traces()
"""For whoever has no traces."""
