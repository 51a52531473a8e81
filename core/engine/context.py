"""The objects that an engine hands to its workers."""

from dataclasses import dataclass, field

from core.actor import Actor
from core.alerts import Alerts
from core.clock import Clock
from core.engine.worker_states import WorkerStates
from core.settings import Settings
from core.settings.current import CurrentSettings
from core.state import Workspace
from core.telemetry import TelemetryWriter
from core.telemetry.tracing import NO_TRACES, Traces
from core.training.trainer import Trainer


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineContext:
    """The engine's own instances, shared by all of its workers."""

    workspace: Workspace
    settings: Settings  # with which the engine began
    current: CurrentSettings
    telemetry: TelemetryWriter
    alerts: Alerts
    trainer: Trainer
    actor: Actor  # the author of recorded steps
    clock: Clock
    metrics_listen: str | None = None  # overrides telemetry.metrics.listen
    workers: WorkerStates = field(default_factory=WorkerStates)
    traces: Traces = NO_TRACES
