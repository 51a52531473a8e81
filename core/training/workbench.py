"""What the training child does: the work of one session at a time, from request to reply."""

from pathlib import Path

import msgspec

from core.settings import TrainingSettings
from core.training.session_work import SessionWork
from core.training.wire import ChildReply, ChildRequest, Failed, Finish, Finished, Prepare, RunEpoch


class Workbench:
    """Answers requests; between them it holds the session it was last asked to prepare."""

    def __init__(self) -> None:
        self._work: SessionWork | None = None

    def answer(self, request: ChildRequest) -> ChildReply:
        """Do what is asked."""
        if isinstance(request, Prepare):
            self._work = None  # one session's panels and models go before the next one's come
            self._work = SessionWork(msgspec.convert(request.settings, TrainingSettings), Path(request.folder))
            return self._work.where_it_stands()
        if self._work is None:
            return Failed(kind="error", reason="no session is prepared", details="")
        match request:
            case RunEpoch():
                return self._work.run_epoch(request.number)
            case Finish():
                return Finished(record=self._work.finish())
