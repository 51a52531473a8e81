"""What a dialog asks: one change, from what to what, on which evidence, with which effects, and the way back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.actor import Actor
    from core.state import Workspace
    from widgets.glyphs import Glyphs
    from widgets.line import Line

Commit = Callable[[str], str]
"""Carries the change out with the operator's reason, and returns the sentence that says what was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One change an operator may confirm. It stands for what was looked at: carrying it out checks that again."""

    title: str
    lines: "tuple[Line, ...]"
    confirm: str = ""  # the word on the button
    typed: str | None = None  # must be typed before anything can be confirmed
    refusal: str | None = None  # why this cannot be done; then there is nothing to confirm
    asks_reason: bool = True
    commit: Commit | None = None


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
        return ("No engine runs on this workspace: this takes effect when one starts.",)
