"""Resolve alerts from elsewhere whose time has passed without another word."""

import logging
import threading
from typing import ClassVar

from typing_extensions import override

from core.alerts.external import ExternalAlerts
from core.engine.context import EngineContext
from core.engine.worker import Worker

LOOK_SECONDS = 15.0

log = logging.getLogger(__name__)


class ExternalAlertExpiry(Worker):
    """Looks every few seconds for external alerts that are over."""

    name: ClassVar[str] = "external_alerts"

    def __init__(self, context: EngineContext) -> None:
        """Prepare to look."""
        self.wake = threading.Event()
        self._alerts = ExternalAlerts(context.workspace, context.clock)

    @override
    def step(self) -> float:
        if (n := self._alerts.expire()) > 0:
            log.info("%d external alerts are over: nothing more was heard of them", n)
        return LOOK_SECONDS
