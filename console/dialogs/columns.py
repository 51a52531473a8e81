"""The columns of a list, each shown or hidden with Space; every choice takes effect immediately."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from console.dialogs.dialog import ReadOnlyDialog
from widgets.line import key_line
from widgets.lines_pane import Caption
from widgets.live_table import Cell, Column, LiveTable, Row

_COLUMNS = (Column("shown", " ", 1), Column("title", "COLUMN", 24, flex=1))


class ColumnsDialog(ReadOnlyDialog):
    """Chooses the columns of a list; only the view changes."""

    AUTO_FOCUS = "#dialog-body"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "turn", "Show or hide", show=False)]

    def __init__(self, table: LiveTable, choose: Callable[[tuple[str, ...]], object]) -> None:
        super().__init__()
        self._table = table
        self._choose = choose
        self._shown = {column.key for _, column in table.chosen_columns}

    def compose_body(self) -> ComposeResult:
        """Yield the columns and the keys."""
        yield LiveTable(_COLUMNS, show_header=False, id="dialog-body")
        yield Caption(id="dialog-hint")

    def on_mount(self) -> None:
        """Show them."""
        self.entitle("Columns of this list")
        self.hint(key_line(("Space", "shows or hides"), ("Esc", "closes")))
        self._show()
        self.call_after_refresh(self.become_readable)

    def _show(self) -> None:
        mark = self.context.glyphs.passed
        self.query_one("#dialog-body", LiveTable).set_rows(
            [
                Row(column.key, (Cell(mark if column.key in self._shown else " ", "accent"), column.title))
                for column in self._titled()
            ]
        )

    def _titled(self) -> list[Column]:
        return [column for column in self._table.columns if column.is_titled]

    def action_turn(self) -> None:
        """Show or hide the column under the cursor; the last one stays."""
        key = self.query_one("#dialog-body", LiveTable).cursor_key
        turned = self._shown ^ {key} if key else self._shown
        if not turned or key in {column.key for column in self._titled() if column.is_key}:
            self.say("It cannot be hidden: keys act on it.", "warn")
            return
        self._shown = turned
        # Columns shown before keep their places; one that is shown again comes last.
        kept = [column.key for _, column in self._table.chosen_columns if column.key in turned]
        added = [column.key for column in self._titled() if column.key in turned and column.key not in kept]
        self._choose((*kept, *added))
        self._show()

    def on_live_table_row_chosen(self) -> None:
        """Enter does what Space does."""
        self.action_turn()
