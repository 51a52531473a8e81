"""The field of the prompt; it comes with Textual's `Input`, which is imported when something is first asked for."""

from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.widgets import Input

if TYPE_CHECKING:
    from console.app.prompt import Prompt


class PromptField(Input):
    """The field of the prompt."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "step(1)", show=False, priority=True),
        Binding("shift+tab", "step(-1)", show=False, priority=True),
        Binding("up", "recall(-1)", show=False),
        Binding("down", "recall(1)", show=False),
        Binding("escape", "abandon", show=False, priority=True),
    ]

    @property
    def prompt(self) -> "Prompt":
        """The row this field stands in."""
        return cast("Prompt", self.parent)

    def action_step(self, steps: int) -> None:
        """Put the next completion in."""
        self.prompt.step(steps)

    def action_recall(self, steps: int) -> None:
        """Put an earlier line in."""
        self.prompt.recall(steps)

    def action_abandon(self) -> None:
        """Leave without doing anything."""
        self.prompt.abandon()
