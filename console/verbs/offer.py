"""What an offer is made from: the workspace, and who asks, as they were when the key was pressed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.actor import Actor
    from core.state import Workspace
    from widgets.glyphs import Glyphs


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferContext:
    """What an offer is made from, as it was when the key was pressed."""

    workspace: "Workspace"
    actor: "Actor"
    glyphs: "Glyphs"
    has_engine: bool  # whether some engine would take the change up at once

    @classmethod
    def of(cls, app: "ConsoleControls") -> Self:
        """Take it from the app."""
        return cls(workspace=app.workspace, actor=app.actor, glyphs=app.glyphs, has_engine=app.has_engine)

    def without_engine(self) -> tuple[str, ...]:
        """Say that a change waits for an engine, if it does."""
        if self.has_engine:
            return ()
        return ("No engine is running: this takes effect when an engine starts.",)
