"""Keep the state files small while the engine runs."""

import threading
from typing import ClassVar

from typing_extensions import override

from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.maintenance.archiving import archive_documents

LOOK_SECONDS = 60.0


class Archiver(Worker):
    """Looks once a minute for a state file that has grown, and moves its older documents into an archive file."""

    name: ClassVar[str] = "archiver"

    def __init__(self, context: EngineContext) -> None:
        """Prepare to look."""
        self.wake = threading.Event()
        self._workspace = context.workspace
        self._actor = context.actor

    @override
    def step(self) -> float:
        archive_documents(self._workspace, actor=self._actor)
        return LOOK_SECONDS
