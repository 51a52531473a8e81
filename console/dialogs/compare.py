"""Two versions of a model, or two runs, side by side."""

import asyncio
import logging
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from console.context import ConsoleContext
from console.dialogs.dialog import Dialog
from console.presentation.comparison import Comparison, Look, of_runs, of_versions
from core.errors import CoreError
from widgets.diff_view import DiffView
from widgets.line import Line
from widgets.lines_pane import Caption

log = logging.getLogger("bondx.console")


class CompareDialog(Dialog[None]):
    """Shows the differences; `a` shows equal rows as well. It changes nothing."""

    AUTO_FOCUS = "DiffView"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,c", "cancel", "Close", show=False),
        Binding("a", "all", "All", show=False),
    ]

    def __init__(self, look: Look) -> None:
        """Take the function that compares the two; it runs in a thread."""
        super().__init__()
        self._look = look
        self._comparison: Comparison | None = None
        self._only_changed = True

    def compose_body(self) -> ComposeResult:
        """Yield the rows and the hint how to leave."""
        yield DiffView()
        yield Caption(id="dialog-hint")

    def on_mount(self) -> None:
        """Compare."""
        self.become_readable()
        self.run_worker(self._look_up())

    async def _look_up(self) -> None:
        try:
            self._comparison = await asyncio.to_thread(self._look)
        except CoreError as error:
            self._say(str(error), "bad")
        except Exception:
            log.exception("A comparison failed.")
            self._say("A bug in bondx stopped this; see logs/console.log.", "bad")
        else:
            self._show(self._comparison)

    def _show(self, both: Comparison) -> None:
        self.entitle(both.title)
        self.query_one(DiffView).set_diff(both.left, both.right, both.rows, only_changed=self._only_changed)
        notes = f"  {' '.join(both.notes)}" if both.notes else ""
        what = "everything" if self._only_changed else "only differences"
        self.query_one("#dialog-hint", Caption).show(
            [Line((("Esc", "key"), (" closes  ", "muted"), ("a", "key"), (f" shows {what}{notes}", "muted")))]
        )

    def _say(self, text: str, tone: str) -> None:
        self.query_one("#dialog-hint", Caption).show([Line(((text, tone),))])

    def is_deaf_to(self, event: object) -> bool:
        """Accept keys immediately: this dialog changes nothing."""
        return False

    def action_all(self) -> None:
        """Show equal rows as well, or hide them again."""
        self._only_changed = not self._only_changed
        if self._comparison is not None:
            self._show(self._comparison)


def compare_versions(context: ConsoleContext, model: str, before: str, after: str) -> None:
    """Show the differences between two versions of a model."""

    def look() -> Comparison:
        from core.registry import Registry

        return of_versions(Registry(context.workspace).diff(model, before, after))

    context.push_screen(CompareDialog(look))


def compare_runs(context: ConsoleContext, before: str, after: str) -> None:
    """Show the differences between two runs."""

    def look() -> Comparison:
        from core.tracking import Runs

        return of_runs(Runs(context.workspace).compare([before, after]))

    context.push_screen(CompareDialog(look))
