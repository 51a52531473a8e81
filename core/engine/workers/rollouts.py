"""Drive rollouts: once a second while any is active, and only when woken while none is."""

import threading
from typing import ClassVar

from typing_extensions import override

from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.rollout import Rollouts, RolloutWorker
from core.rollout.rollout_records import DATABASE
from core.rollout.worker import TICK_SECONDS


class RolloutLoop(Worker):
    """Drives the rollouts of a workspace. A change of the registry database wakes it."""

    name: ClassVar[str] = "rollouts"
    watches: ClassVar[frozenset[str]] = frozenset({DATABASE})

    def __init__(self, context: EngineContext) -> None:
        """Prepare to drive rollouts; the first step reads them."""
        self.wake = threading.Event()
        self._context = context
        self._rollouts = Rollouts(context.workspace, clock=context.clock)
        self._worker: RolloutWorker | None = None

    @override
    def step(self) -> float | None:
        if self._worker is None:
            context = self._context
            self._worker = RolloutWorker(
                context.workspace,
                alerts=context.alerts,
                actor=context.actor,
                clock=context.clock,
                traces=context.traces,
            )
        self._worker.tick(self._context.clock())
        rollouts, unreadable = self._rollouts.readable()
        is_any_active = any(rollout.is_active for rollout in rollouts)
        return TICK_SECONDS if is_any_active or unreadable else None

    @override
    def end(self, *, after_failure: bool) -> None:
        self._worker = None  # after a failure a new one continues from the documents
