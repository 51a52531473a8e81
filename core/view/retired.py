"""Models whose callers had an answer before, and have none now: a version was live, and none is."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from core.registry.stages import Stage

if TYPE_CHECKING:
    from core.registry import RegisteredModel
    from core.view.snapshot import Snapshot


class RetiredModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that had a live version, and has none now."""

    model: str
    version: str  # the last live version
    since: datetime | None = None  # None if the move is older than the moves that a snapshot holds
    by: str = ""

    def __str__(self) -> str:
        who = f", taken out by {self.by}" if self.by else ""
        return f"{self.model} has no live version: {self.version} was the last one{who}"


def retired_models(snapshot: "Snapshot") -> tuple[RetiredModel, ...]:
    """Find the models that had a live version and have none now.

    This may be wanted (a model that nobody needs any more), so it is shown, and no check fails because of it.
    """
    found = (_retired(model, snapshot) for model in snapshot.models if model.production is None)
    return tuple(each for each in found if each is not None)


def _retired(model: "RegisteredModel", snapshot: "Snapshot") -> RetiredModel | None:
    for move in snapshot.history(model.model):
        for change in move.changes:
            if change.before is Stage.PRODUCTION:
                return RetiredModel(model=model.model, version=change.version, since=move.at, by=move.by)
    if model.previous_production:
        return RetiredModel(model=model.model, version=model.previous_production[-1])
    return None
