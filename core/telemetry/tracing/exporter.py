"""Sending spans to a collector in batches, from a thread of its own that nobody waits for."""

import logging
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from core.settings.otlp import OtlpSettings
from core.telemetry.otlp_client import OtlpClient
from core.telemetry.tracing.span import TraceSpan

MOST_WAITING: Final = 4_096
"""Spans that wait to be sent, at most: some megabytes. Further ones are lost."""
MOST_SENT: Final = 512
"""Spans of one request."""
_GATHER_SECONDS: Final = 1.0
_PATH: Final = "/v1/traces"

log = logging.getLogger(__name__)


class SpanCounts:
    """What became of the spans of a process; each counter is changed under the lock of the exporter that counts."""

    def __init__(self) -> None:
        self.n_sent = 0
        self.n_lost = 0


class SpanExporter:
    """Takes spans and sends them. What a collector does not take is lost and counted, and the log has one line."""

    def __init__(
        self,
        settings: OtlpSettings,
        resource: Mapping[str, str],
        counts: SpanCounts,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Prepare; the thread begins with the first span.

        Args:
            settings: Where to, and with which headers.
            resource: What describes the process.
            counts: Where sent and lost spans are counted.
            environ: Where the headers find their variables.
        """
        self.settings = settings
        self._resource, self._counts = dict(resource), counts
        self._client = OtlpClient(settings, _PATH, environ)
        self._changed = threading.Condition()
        self._waiting: deque[TraceSpan] = deque()
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._failure: str | None = None

    def offer(self, span: TraceSpan) -> None:
        """Hand a span to the thread; it is lost if too many wait. Returns at once, in any thread."""
        with self._changed:
            if self._is_closed or len(self._waiting) >= MOST_WAITING:
                self._counts.n_lost += 1
                return
            self._waiting.append(span)
            if len(self._waiting) in (1, MOST_SENT):
                self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
                self._thread.start()

    def close(self, seconds: float = 0.0) -> None:
        """Take no more spans. Those that wait are sent once, if that takes no longer; the rest is lost.

        Args:
            seconds: How long to wait for it; afterwards the thread ends alone.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and seconds > 0:
            thread.join(seconds)

    def _run(self) -> None:
        while batch := self._batch():
            problem = self._send(batch)
            with self._changed:
                if problem is None:
                    self._counts.n_sent += len(batch)
                else:
                    self._counts.n_lost += len(batch)
                    if self._is_closed:  # a process that ends tries no further batch
                        self._counts.n_lost += len(self._waiting)
                        self._waiting.clear()
            if problem is not None and problem != self._failure:
                log.warning("spans do not reach the collector of telemetry.otlp: %s", problem)
            elif problem is None and self._failure is not None:
                log.info("spans reach the collector of telemetry.otlp again")
            self._failure = problem

    def _batch(self) -> list[TraceSpan]:
        """Wait for the next spans, a moment longer for those that follow; empty when the thread must end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._waiting)
            self._changed.wait_for(lambda: self._is_closed or len(self._waiting) >= MOST_SENT, _GATHER_SECONDS)
            return [self._waiting.popleft() for _ in range(min(MOST_SENT, len(self._waiting)))]

    def _send(self, spans: Sequence[TraceSpan]) -> str | None:
        def encode() -> bytes:
            from core.telemetry.tracing.encoding import traces_request

            body: bytes = traces_request(spans, self._resource).SerializeToString()
            return body

        return self._client.post(encode)
