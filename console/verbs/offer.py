"""The state an offer is made from: the workspace and the person, as of the key press."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

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
    has_engine: bool  # whether a running engine would act on the change immediately

    @classmethod
    def of(cls, app: "ConsoleControls") -> Self:
        """Take it from the app."""
        return cls(workspace=app.workspace, actor=app.actor, glyphs=app.glyphs, has_engine=app.has_engine)

    def without_engine(self) -> tuple[str, ...]:
        """Say that a change waits for an engine, if it does."""
        if self.has_engine:
            return ()
        return ("No engine is running: this takes effect when an engine starts.",)
