"""The state an offer is made from: the workspace and the person, as of the key press."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from core.view.snapshot import NO_ENGINE

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.actor import Actor
    from core.state import Workspace
    from widgets.glyphs import Glyphs


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferContext:
    """The state an offer is made from, as of the key press."""

    workspace: "Workspace"
    actor: "Actor"
    glyphs: "Glyphs"
    absence: str | None  # why no engine would act on the change immediately, if none would

    @classmethod
    def of(cls, app: "ConsoleControls") -> Self:
        """Take it from the app."""
        return cls(workspace=app.workspace, actor=app.actor, glyphs=app.glyphs, absence=app.newest.absence)

    def without_engine(self) -> tuple[str, ...]:
        """Say that a change waits for an engine, if it does."""
        if self.absence is None:
            return ()
        when = "starts" if self.absence == NO_ENGINE else "is at work"
        return (f"{self.absence.capitalize()}; this takes effect when an engine {when}.",)

    def guarded(self, claim: str) -> tuple[str, ...]:
        """Say how harm ends a rollout, or that nobody watches for it now."""
        if not claim or self.absence is None:
            return (claim,) if claim else ()
        return (f"Nobody watches for harm: {self.absence}.",)
