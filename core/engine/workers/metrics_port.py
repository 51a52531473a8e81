"""Answer /health, /ready and /metrics on an address of this machine while the engine runs."""

import logging
import threading
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from core.engine.context import EngineContext
from core.engine.series import EngineSeries
from core.engine.worker import Worker
from core.errors import RefusedError
from core.settings.address import host_and_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.metrics.endpoint import EndpointHealth, MetricEndpoint

log = logging.getLogger(__name__)

SETTING = "telemetry.metrics.listen"
LOOK_SECONDS = 2.0
"""How soon another address takes effect, and how often an address that is taken is tried again."""


class MetricsPort(Worker):
    """Opens the port that `telemetry.metrics.listen` names, and closes it when the setting or the engine ends."""

    name: ClassVar[str] = "metrics"

    def __init__(self, context: EngineContext) -> None:
        """Prepare; nothing listens yet."""
        self.wake = threading.Event()
        self._context = context
        self._asked: str | None = None
        self._endpoint: MetricEndpoint | None = None
        self._problem: str | None = None

    @property
    def address(self) -> str | None:
        """HOST:PORT on which it answers, or None."""
        return None if self._endpoint is None else self._endpoint.address

    @override
    def step(self) -> float:
        asked = self._context.metrics_listen or self._context.current.read().telemetry.metrics.listen
        if asked != self._asked:
            self._close()
            self._asked, self._problem = asked, None
        if asked is not None and self._endpoint is None:
            self._open(asked)
        return LOOK_SECONDS

    @override
    def end(self, *, after_failure: bool) -> None:
        self._close()
        self._asked = None

    def _open(self, asked: str) -> None:
        from core.metrics.endpoint import MetricEndpoint  # most engines have no port

        host, port = host_and_port(asked) or ("127.0.0.1", 0)
        named = "--metrics" if self._context.metrics_listen else SETTING
        try:
            self._endpoint = MetricEndpoint(host, port, metrics=self._metrics(), health=self._health, named=named)
        except RefusedError as error:  # the port may become free
            if str(error) != self._problem:
                log.error("%s", error)
            self._problem = str(error)
        else:
            self._problem = None
            log.info("/health, /ready and /metrics of the engine on http://%s", self._endpoint.address)

    def _close(self) -> None:
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None

    def _metrics(self) -> "Callable[[], bytes]":
        """Return the function that measures; a server of predictions in this process has metrics of its own."""
        from prometheus_client import CollectorRegistry

        from core.metrics.exposition import MeasuredFamilies, exposition

        registry = CollectorRegistry()
        registry.register(MeasuredFamilies(EngineSeries(self._context).measure))
        return lambda: exposition(registry)

    def _health(self) -> "EndpointHealth":
        from core.maintenance.workspace_health import worker_health
        from core.metrics.endpoint import EndpointHealth
        from core.state.write_health import write_problem

        now = self._context.clock()
        workers = [worker_health(name, state, now) for name, state in self._context.workers.all().items()]
        is_live = all(worker.is_live for worker in workers)
        unwritable = write_problem(self._context.workspace.root)
        is_ready = is_live and all(worker.is_ready for worker in workers) and unwritable is None
        failing = [worker.name for worker in workers if not worker.is_ready]
        facts = {"failing_workers": failing} if failing else {}
        return EndpointHealth(is_live, is_ready, {**facts, **({"writable": False} if unwritable is not None else {})})
