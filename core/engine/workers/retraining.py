"""Train models anew when their triggers are due, and take the steps of every retraining."""

import threading
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from core.engine.context import EngineContext
from core.engine.worker import Worker

if TYPE_CHECKING:
    from core.retraining.pipeline import Pipeline


class RetrainingLoop(Worker):
    """Drives the retrainings of a workspace. Requests, moves of versions and news of the monitor wake it."""

    name: ClassVar[str] = "retraining"
    watches: ClassVar[frozenset[str]] = frozenset({"retraining", "registry"})

    def __init__(self, context: EngineContext) -> None:
        """Prepare; the first step reads what an earlier engine left."""
        self.wake = threading.Event()
        self._context = context
        self._pipeline: Pipeline | None = None

    @override
    def step(self) -> float:
        if self._pipeline is None:
            from core.retraining.pipeline import Pipeline  # most of it is needed only where a model is trained anew

            context = self._context
            self._pipeline = Pipeline(
                context.workspace, alerts=context.alerts, actor=context.actor, clock=context.clock
            )
        return self._pipeline.tick()

    @override
    def end(self, *, after_failure: bool) -> None:
        if self._pipeline is not None:
            self._pipeline.close()
        self._pipeline = None  # after a failure a new one continues from the documents
