"""Take the backups of the settings, and raise an alert if one fails or is overdue."""

import logging
import threading
from datetime import datetime
from typing import ClassVar

from typing_extensions import override

from core.clock import in_words
from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.errors import CoreError
from core.maintenance.backup.configured import back_up_as_configured
from core.maintenance.backup.errors import BackupStoppedError
from core.maintenance.backup.history import BackupHistory
from core.maintenance.backup.schedule import due_at, is_overdue
from core.settings.backup import BackupSettings

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
FAILED, OVERDUE = "backup_failed", "backup_overdue"


class BackupSchedule(Worker):
    """Looks once a minute whether a backup is due; the settings may change meanwhile."""

    name: ClassVar[str] = "backup"

    def __init__(self, context: EngineContext) -> None:
        """Prepare to look."""
        self.wake = threading.Event()
        self._context = context
        self._history = BackupHistory(context.workspace, clock=context.clock)
        self._is_stopping = threading.Event()
        self._failed_at: datetime | None = None
        self._waiting_since: datetime | None = None

    @override
    def step(self) -> float:
        settings, now = self._context.current.read().backup, self._context.clock()
        if (every := settings.period) is None:
            self._waiting_since = None
            for rule in (FAILED, OVERDUE):
                self._clear(rule, "no backups are scheduled any more")
            return LOOK_SECONDS
        self._waiting_since = self._waiting_since or now
        last = self._history.last()
        last_at = last.at if last else None
        if now >= due_at(every, last_at, self._failed_at, now):
            last_at = self._back_up(settings) or last_at
        if is_overdue(every, last_at, self._waiting_since, now := self._context.clock()):
            since = f"since {in_words(last_at)}" if last_at else "yet"
            summary = f"no backup was finished {since}; one is due every {settings.every}"
            self._context.alerts.fire(OVERDUE, labels={}, summary=summary, now=now)
        else:
            self._clear(OVERDUE, "a backup was finished in time")
        return LOOK_SECONDS

    @override
    def stop(self) -> None:
        self._is_stopping.set()

    def _back_up(self, settings: BackupSettings) -> datetime | None:
        """Take a backup; return its instant, or None if it failed."""
        context = self._context
        try:
            result = back_up_as_configured(
                context.workspace,
                settings,
                actor=context.actor,
                reason="scheduled",
                clock=context.clock,
                is_stopped=self._is_stopping.is_set,
            )
        except BackupStoppedError as stopped:
            log.info("%s", stopped)
            return None
        except (CoreError, OSError) as error:  # a folder that may not be listed, for one
            self._failed_at = context.clock()
            log.error("the backup failed: %s", error)
            context.alerts.fire(FAILED, labels={}, summary=f"the backup failed: {error}", now=context.clock())
            return None
        self._failed_at = None
        log.info("%s in %s: %d new bytes", result.backup_id, result.folder, result.n_new_bytes)
        if problems := (*result.problems, *filter(None, [result.unaudited_because])):
            summary = f"{result.backup_id} is finished, but {'; '.join(problems[:3])}"
            context.alerts.fire(FAILED, labels={}, summary=summary, now=context.clock())
        else:
            self._clear(FAILED, f"{result.backup_id} is finished")
        last = self._history.last()
        return last.at if last else None

    def _clear(self, rule: str, reason: str) -> None:
        self._context.alerts.clear(rule, labels={}, now=self._context.clock(), reason=reason)
