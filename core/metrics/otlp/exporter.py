"""Sending the metrics of a process to a collector, from a thread of its own that nobody waits for."""

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client.core import Metric

from core.settings.otlp import OtlpSettings
from core.telemetry.otlp_client import OtlpClient

_PATH: Final = "/v1/metrics"
_NEARLY: Final = 0.9
"""Scrapes are some milliseconds early or late: a strict interval of two scrapes would often be three."""

log = logging.getLogger(__name__)


class OtlpExporter:
    """Takes the newest metrics and sends them. What a collector does not take is dropped, with one line."""

    def __init__(
        self,
        settings: OtlpSettings,
        resource: Mapping[str, str],
        start_seconds: float,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Prepare; the thread begins with the first metrics.

        Args:
            settings: Where to, how often and with which headers.
            resource: What describes the process.
            start_seconds: When the process began, Unix time.
            environ: Where the headers find their variables.
        """
        self.settings = settings
        self._resource, self._start_seconds = dict(resource), start_seconds
        self._client = OtlpClient(settings, _PATH, environ)
        self._wake = threading.Condition()
        self._newest: tuple[Sequence[Metric], float] | None = None
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._failure: str | None = None
        self._offered_at: float | None = None

    def is_due(self) -> bool:
        """Whether the interval has passed since the last metrics were offered, but for what a scrape comes early."""
        last = self._offered_at
        return last is None or time.monotonic() - last >= _NEARLY * self.settings.interval_seconds

    def offer(self, families: Sequence[Metric], at_seconds: float) -> None:
        """Hand metrics to the thread; those that it has not begun to send are replaced. Returns at once."""
        self._offered_at = time.monotonic()
        with self._wake:
            self._newest = (families, at_seconds)
            self._wake.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread; what it has not sent is dropped, and an attempt in progress is not waited for."""
        with self._wake:
            self._is_closed, self._newest = True, None
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._is_closed or self._newest is not None)
                if self._newest is None:
                    return
                (families, at_seconds), self._newest = self._newest, None
            problem = self._send(families, at_seconds)
            if problem is not None and problem != self._failure:
                log.warning("metrics do not reach the collector of telemetry.otlp: %s", problem)
            elif problem is None and self._failure is not None:
                log.info("metrics reach the collector of telemetry.otlp again")
            self._failure = problem

    def _send(self, families: Sequence[Metric], at_seconds: float) -> str | None:
        """Send once; return what is wrong, without what the headers hold."""

        def encode() -> bytes:
            from core.metrics.otlp.encoding import metrics_request

            request = metrics_request(families, self._resource, at_seconds, self._start_seconds)
            body: bytes = request.SerializeToString()
            return body

        return self._client.post(encode)
