"""Measure the stores, forecast the day the disk is full, delete what the settings limit, and give freed memory back."""

import logging
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar

from typing_extensions import override

from core.alerts.broken_glass import BrokenGlass
from core.alerts.policy_alerts import PolicyAlerts
from core.allocator import return_memory
from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.errors import RefusedError
from core.governance.keys import prepare_to_sign
from core.maintenance.disk_reserve import DiskReserve
from core.maintenance.pruning import KindNotPrunedError, Pruning
from core.maintenance.space import DAYS_SERIES, USED_SERIES, disk_forecast, record
from core.monitoring.disk_forecast import DiskForecast
from core.periodic import Periodic
from core.telemetry import TelemetryReader
from core.telemetry.errors import TelemetryError
from core.telemetry.live import keep_up

log = logging.getLogger(__name__)

STEP_SECONDS = 60.0
_STORES_EVERY = timedelta(minutes=10)
_PRUNE_EVERY = timedelta(hours=1)
RULE = "disk_filling"
PRUNED = "retention_applied"
_CLEAR_FACTOR = 1.2
"""An alert ends once the day is this much further away than its limit, so that it does not come and go."""


class Housekeeping(Worker):
    """Looks once a minute at the disk, and every ten minutes at every store."""

    name: ClassVar[str] = "housekeeping"

    def __init__(self, context: EngineContext) -> None:
        """Prepare to look."""
        self.wake = threading.Event()
        self._context = context
        self._policy = PolicyAlerts(context.workspace, context.clock, context.alerts)
        self._broken_glass = BrokenGlass(context.workspace, clock=context.clock)
        now = context.clock()
        self._measuring = Periodic(_STORES_EVERY, first_at=now)
        self._pruning = Periodic(_PRUNE_EVERY, first_at=now + timedelta(seconds=STEP_SECONDS))  # its start does more

    @override
    def step(self) -> float:
        workspace, telemetry, now = self._context.workspace, self._context.telemetry, self._context.clock()
        usage = shutil.disk_usage(workspace.root)
        telemetry.add(USED_SERIES, now, float(usage.used))
        turns: list[Callable[[], object]] = [self._policy.update, self._broken_glass.keep_up]
        if self._measuring.is_due(now):
            turns += [partial(record, workspace, telemetry, now), partial(self.keep_live_counts, now)]
        turns.append(lambda: self.judge(self._forecast(usage.free, now), now))
        if self._pruning.is_due(now):
            turns.append(prepare_to_sign)  # a minute after the start; the log is signed from time to time
            turns.append(partial(self.prune, now))
        turns.append(DiskReserve(workspace).keep)
        turns.append(return_memory)  # changes leave holes between the documents that stay
        # Each has files of its own, and a failure of one keeps no other from its turn. The stack calls the last first,
        # and raises the last failure with those before it.
        with ExitStack() as stack:
            for turn in reversed(turns):
                stack.callback(turn)
        return STEP_SECONDS

    def prune(self, now: datetime) -> None:
        """Delete what the settings limit, and say so on the screen."""
        pruning = Pruning(self._context.workspace, self._context.current.read().retention, clock=self._context.clock)
        said = ""
        failure: KindNotPrunedError | None = None
        if kinds := pruning.automatic():
            try:
                said = pruning.carry_out(pruning.plan(kinds), actor=self._context.actor, reason="").summary
            except KindNotPrunedError as error:
                said, failure = error.result.summary, error
                log.warning("%s", error)
        if said:
            self._context.alerts.fire(PRUNED, labels={}, summary=f"the engine {said}", now=now)
        else:
            self._context.alerts.clear(PRUNED, labels={}, now=now, reason="nothing more was deleted for an hour")
        if failure is not None and not all(isinstance(each, RefusedError) for each in failure.failures.values()):
            raise failure  # a rule may forbid it for now; anything else is the engine's trouble

    def keep_live_counts(self, now: datetime) -> None:
        """Roll up and delete what servers counted, whether they run or not; what fails is tried again."""
        workspace = self._context.workspace
        if not workspace.live_file.exists() and not workspace.contributions_file.exists():
            return
        from core.explain.served_sketch import merged_contributions
        from core.monitoring.live import merged_bytes

        retention = self._context.current.read().telemetry.live
        for file, merge in ((workspace.live_file, merged_bytes), (workspace.contributions_file, merged_contributions)):
            try:
                keep_up(file, merge, retention, now)
            except TelemetryError as error:
                log.warning("%s could not be rolled up: %s", file.name, error)

    def judge(self, found: DiskForecast | None, now: datetime) -> None:
        """Store a forecast, and raise or clear its alert."""
        if found is None:
            return
        days = (found.days_until_full, found.days_until_full_low, found.days_until_full_high)
        if found.is_growing:
            for series, value in zip(DAYS_SERIES, days, strict=True):
                if value is not None:
                    self._context.telemetry.add(series, now, value)
        limit = self._context.current.read().alerts.disk_full_days
        alerts = self._context.alerts
        if found.is_growing and found.days_until_full is not None and found.days_until_full < limit:
            summary = f"the workspace's disk {found.sentence}"
            alerts.fire(RULE, labels={}, summary=summary, now=now, value=found.days_until_full, threshold=limit)
        elif not found.is_growing or (found.days_until_full or 0) > _CLEAR_FACTOR * limit:
            alerts.clear(RULE, labels={}, now=now, reason="the disk no longer fills within the limit")

    def _forecast(self, free_bytes: int, now: datetime) -> DiskForecast | None:
        with closing(TelemetryReader(self._context.workspace.telemetry_file, clock=self._context.clock)) as reader:
            return disk_forecast(reader, free_bytes, now)
