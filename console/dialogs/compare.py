"""Two versions of a model, or two runs, side by side."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from console.context import ConsoleContext
from console.dialogs.dialog import ReadOnlyDialog
from console.presentation.comparison import Comparison, Look, of_runs, of_versions
from console.runtime.background import in_background
from widgets.diff_view import Difference, DiffView
from widgets.line import Line, key_line
from widgets.lines_pane import Caption


class CompareDialog(ReadOnlyDialog):
    """Shows the differences: those of a version that fit a screen, then all (`a`), then equal rows as well."""

    AUTO_FOCUS = "DiffView"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "cancel", "Close", show=False),
        Binding("a", "all", "All", show=False),
    ]

    def __init__(self, look: Look) -> None:
        """Take the function that compares the two; it runs in a thread."""
        super().__init__()
        self._look = look
        self._comparison: Comparison | None = None
        self._view = 0

    def compose_body(self) -> ComposeResult:
        """Yield the rows and the hint how to leave."""
        yield DiffView()
        yield Caption(id="dialog-hint")

    def on_mount(self) -> None:
        """Compare."""
        self.become_readable()
        in_background(self, partial(self.look_up, self._look, self._found, self._refuse))

    def _found(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._show(comparison)

    def _show(self, both: Comparison) -> None:
        self.entitle(both.title)
        views = self._views(both)
        rows, only_changed, _ = views[self._view]
        self.query_one(DiffView).set_diff(both.left, both.right, rows, only_changed=only_changed)
        notes = f"  {' '.join(both.notes)}" if both.notes else ""
        what = views[(self._view + 1) % len(views)][2]
        self.hint(key_line(("Esc", "closes"), ("a", f"shows {what}{notes}")))

    def _views(self, both: Comparison) -> list[tuple[Sequence[Difference], bool, str]]:
        """Return what `a` goes through: rows, whether equal rows are left out, and the name of the view."""
        n_changed = sum(row.changed for row in both.rows)
        first = [(both.first, True, "what changed most")] if 0 < len(both.first) < n_changed else []
        differences = f"all {n_changed} differences, slices too" if first else "only differences"
        return [*first, (both.rows, True, differences), (both.rows, False, "everything")]

    def _refuse(self, reason: str) -> None:
        self.hint(Line(((reason, "bad"),)))

    def action_all(self) -> None:
        """Show more, and after everything the first rows again."""
        if self._comparison is not None:
            self._view = (self._view + 1) % len(self._views(self._comparison))
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
