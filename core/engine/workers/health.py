"""Keep `system_health_report.json` at the top of the workspace current: engine, workers, sessions, machine, alerts."""

import logging
import os
import threading
from contextlib import closing
from datetime import timedelta
from typing import ClassVar

import msgspec
from typing_extensions import override

from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.errors import CoreError
from core.files import write_file
from core.maintenance.breakers import breakers_of
from core.maintenance.system_health import HEALTH_REPORT, WRITE_SECONDS, EngineHealth, SessionHealth, SystemHealth
from core.telemetry import TelemetryReader
from core.telemetry.schema import place_of
from core.training.reports import spreads
from core.training.session import Session
from core.training.session_recorder import HEALTH_SERIES
from core.training.sessions import Sessions

log = logging.getLogger(__name__)

_RESOURCES_OF = timedelta(minutes=5)


class HealthReport(Worker):
    """Writes the state of the engine every ten seconds, and once more when it stops."""

    name: ClassVar[str] = "health"

    def __init__(self, context: EngineContext) -> None:
        """Prepare to write; the folder of the workspace is remembered, as another one may take its name."""
        self.wake = threading.Event()
        self._context = context
        self._started_at = context.clock()
        self._folder = place_of(context.workspace.root)

    @override
    def step(self) -> float:
        self._write("running")
        return WRITE_SECONDS

    @override
    def end(self, *, after_failure: bool) -> None:
        if not after_failure:
            self._write("stopped")

    def _write(self, state: str) -> None:
        root = self._context.workspace.root
        if place_of(root) != self._folder:
            return  # the workspace is gone: the guard ends the engine, and no report brings it back
        try:
            write_file(root / HEALTH_REPORT, self._report(state), durable=False)
        except CoreError as error:  # a full disk has its own alert
            log.warning("%s", error)

    def _report(self, state: str) -> bytes:
        context, now = self._context, self._context.clock()
        with closing(TelemetryReader(context.workspace.telemetry_file)) as reader:
            resources = {series: reader.samples(series, now - _RESOURCES_OF, now) for series in HEALTH_SERIES}
        report = SystemHealth(
            as_of=now,
            engine=EngineHealth(
                state=state, pid=os.getpid(), started_at=self._started_at, trainer_pid=context.trainer.child_pid
            ),
            workers=dict(sorted(context.workers.all().items())),
            sessions=tuple(
                map(_of_session, (each for each in Sessions(context.workspace).all() if not each.has_ended))
            ),
            n_open_alerts=len(context.alerts.open()),
            resources=spreads(resources),
            breakers=breakers_of(context.workspace),
        )
        return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def _of_session(session: Session) -> SessionHealth:
    observed = session.observed
    return SessionHealth(
        session_id=session.session_id,
        phase=str(observed.phase),
        epoch=observed.epoch,
        n_epochs=observed.n_epochs,
        n_failed_attempts=observed.n_failed_epochs,
        last_failure=observed.failure,
        last_progress_at=observed.last_progress_at,
    )
