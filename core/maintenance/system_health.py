"""The state of the engine now, as it writes it into `system_health_report.json` at the top of the workspace."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from core.errors import NotFoundError, UsageError
from core.json_documents import decode_json
from core.maintenance.breakers import BreakerHealth
from core.plain_files import read_file
from core.state import Workspace

HEALTH_REPORT = "system_health_report.json"
WRITE_SECONDS = 10.0
"""How often a running engine writes it."""
_STALE = timedelta(seconds=3 * WRITE_SECONDS)


class WorkerActivity(StrEnum):
    """What a worker does now."""

    WORKING = "working"
    WAITING = "waiting"  # for its next step, or to be woken
    RESTARTING = "restarting"  # its last step failed
    STOPPED = "stopped"


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """A worker of the engine, and when it last changed what it does."""

    activity: WorkerActivity
    since: datetime
    n_failures: int = 0  # since the engine started
    last_failure: str | None = None
    last_failure_at: datetime | None = None


class EngineHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's process."""

    state: str  # running, stopped
    pid: int
    started_at: datetime
    trainer_pid: int | None


class SessionHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A session that has not ended."""

    session_id: str
    phase: str
    epoch: int
    n_epochs: int
    n_failed_attempts: int
    last_failure: str | None
    last_progress_at: datetime | None


class SystemHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The report; `resources` has the lowest, mean and highest value of each series in the last five minutes."""

    as_of: datetime
    engine: EngineHealth
    workers: dict[str, WorkerState]
    sessions: tuple[SessionHealth, ...]
    n_open_alerts: int
    resources: dict[str, dict[str, float]]
    breakers: tuple[BreakerHealth, ...] = ()  # of the channels of notifications and the webhooks

    def is_stale(self, now: datetime) -> bool:
        """Whether an engine that should be running no longer writes."""
        return self.engine.state == "running" and now - self.as_of > _STALE

    def problems(self, now: datetime) -> list[str]:
        """Name what is wrong, a sentence each: a worker that fails, or an engine that no longer writes."""
        found = [
            f"The worker {name} failed {state.n_failures} times and restarts: {state.last_failure}."
            for name, state in self.workers.items()
            if state.activity is WorkerActivity.RESTARTING
        ]
        if self.engine.state == "running":
            found += [
                f"The worker {name} has ended: the engine stops, or must be restarted."
                for name, state in self.workers.items()
                if state.activity is WorkerActivity.STOPPED
            ]
        if self.is_stale(now):
            found.append(
                f"The engine (pid {self.engine.pid}) has written nothing since {self.as_of:%Y-%m-%d %H:%M:%S} UTC: "
                "it was killed, or hangs."
            )
        return found


def read_health(workspace: Workspace) -> SystemHealth:
    """Read the report.

    Raises:
        NotFoundError: No engine has run in this workspace yet.
        UsageError: It cannot be read.
    """
    file = workspace.root / HEALTH_REPORT
    try:
        return decode_json(read_file(file), SystemHealth)
    except FileNotFoundError:
        raise NotFoundError(f"There is no {HEALTH_REPORT} yet: an engine writes it (bondx run --headless).") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.") from None
