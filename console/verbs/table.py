"""Verbs about the list in focus: its order, its columns, and its rows as a file."""

from functools import partial
from typing import TYPE_CHECKING, Any

from console.presentation.keys import sign_of, with_keys
from console.runtime.background import in_background
from console.verbs.verb import Argument, Command, Key, Verb
from core.errors import RefusedError, UsageError
from widgets.ordering import Order, next_order

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from widgets.live_table import Column, LiveTable

USUAL = "usual"
"""Names the order of a list that nobody has sorted."""
_DIRECTIONS = {"asc": False, "desc": True}


def column_names(table: "LiveTable") -> list[str]:
    """Name the columns that have a title."""
    return [column.key for column in table.columns if column.is_titled]


def column_named(table: "LiveTable", word: str) -> "Column":
    """Find a column by its name or its title.

    Raises:
        UsageError: There is none.
    """
    names = column_names(table)
    for column in table.columns:
        if column.key in names and word.casefold() in (column.key.casefold(), column.title.casefold()):
            return column
    raise UsageError(f"There is no column {word}. Columns to choose from: {', '.join(names)}.")


def _direction(word: str) -> bool:
    if (descending := _DIRECTIONS.get(word.casefold())) is None:
        raise UsageError(f"There is no direction {word}. Directions to choose from: {', '.join(_DIRECTIONS)}.")
    return descending


def _format(word: str) -> str:
    if word.casefold() != "csv":
        raise UsageError(f"There is no format {word}. Formats to choose from: csv.")
    return word


COLUMNS_WORD = Argument(
    "COLUMN,COLUMN",
    choices_here=lambda app: (*column_names(shown_table(app)), USUAL),
    read=lambda text: text.replace(",", " ").split(),
    takes_rest=True,
)
FORMAT_WORD = Argument("csv", lambda _snapshot, _before: ("csv",), read=_format)
FILE_WORD = Argument("FILE", takes_rest=True)
COLUMN_WORD = Argument("COLUMN", choices_here=lambda app: (*column_names(shown_table(app)), USUAL))
DIRECTION_WORD = Argument("asc|desc", lambda _snapshot, _before: tuple(_DIRECTIONS), read=_direction)


def shown_table(app: "ConsoleControls") -> "LiveTable":
    """Return the list that the operator looks at.

    Raises:
        RefusedError: No screen is shown yet.
    """
    if (screen := app.shown_screen()) is None:
        raise RefusedError("No list is shown yet.")
    return screen.shown_table()


class Sort(Verb[None]):
    """Sort the list by its next column, or by the named column."""

    name = "sort"
    key = Key("s", "sort", "Sort the list by the next column, at last in the usual order again")
    command = Command("sort the list by a column; usual restores its order", options=(COLUMN_WORD, DIRECTION_WORD))

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Sort it; the cursor stays on its row."""
        table = _sortable(app)
        if not options:
            order = next_order([column.key for column in table.shown_columns if column.is_titled], table.order)
        elif options[0] == USUAL:
            order = None
        else:
            order = Order(column_named(table, options[0]).key, *options[1:])
        _put_in_order(app, table, order)


class ReverseOrder(Verb[None]):
    """Reverse the order of the list."""

    name = "reverse"
    key = Key("i", "", "Reverse the order of the sorted list")

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Reverse it; a list in its usual order says how to sort it."""
        table = _sortable(app)
        if table.order is None:
            app.say(with_keys("Sort the list first: {console.sort} sorts it by its next column."), "muted")
        else:
            _put_in_order(app, table, table.order.reversed())


class ChooseColumns(Verb[None]):
    """Choose the columns of the list; they are remembered for the user."""

    name = "columns"
    command = Command("choose the columns of the list; usual shows the usual ones", options=(COLUMNS_WORD,))

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Show them in the order named; without names open a dialog to choose them."""
        table = _sortable(app)
        if options:
            names = tuple(column_named(table, word).key for word in options[0] if word != USUAL)
            problem = choose_columns(app, table, names)
            shown = ", ".join(column.title for _, column in table.chosen_columns)
            if problem is None:
                kept = [c.title for c in table.columns if c.is_key and names and c.key not in names]
                stays = f" {' and '.join(kept)} cannot be hidden: keys act on what they name." if kept else ""
                app.say(f"Shows {shown}.{stays}" if names else "Shows the usual columns.", "muted")
            return
        from console.dialogs.columns import ColumnsDialog

        app.push_screen(ColumnsDialog(table, lambda names: choose_columns(app, table, names)))


def choose_columns(app: "ConsoleControls", table: "LiveTable", names: tuple[str, ...]) -> str | None:
    """Show these columns of a list now, and whenever this user opens the console.

    Returns:
        The reason why they are not remembered, which has been said.
    """
    table.choose_columns(names)
    if (screen := app.shown_screen()) is None:
        return None
    screen.refresh_all()
    if not screen.name_of(table):
        return None
    if (problem := app.preferences.choose_columns(screen.name_of(table), names)) is not None:
        app.say(f"Shown until the console closes, not remembered: {problem}", "warn")
    return problem


class Export(Verb[None]):
    """Write the rows of the list into a file."""

    name = "export"
    command = Command("write the list as shown into a file", options=(FORMAT_WORD, FILE_WORD), n_required=1)
    replaces = False
    """Whether it replaces an existing file."""

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Write it in a thread: a disk may be slow."""
        from console.table_file import TableFile

        if (screen := app.shown_screen()) is None:
            raise RefusedError("No list is shown yet.")
        _, path = (*options, None)[:2]
        file = TableFile.of(app, screen, path, replaces=self.replaces)
        in_background(app, partial(file.write, app))


class ExportOver(Export):
    """Write the rows of the list into a file, and replace the file if it exists."""

    name = "export!"
    command = Command("write the list as shown, replacing the file", options=(FORMAT_WORD, FILE_WORD), n_required=2)
    replaces = True


def _sortable(app: "ConsoleControls") -> "LiveTable":
    table = shown_table(app)
    if not table.sortable:
        raise RefusedError("This list has a fixed order and fixed columns.")
    return table


def _put_in_order(app: "ConsoleControls", table: "LiveTable", order: Order | None) -> None:
    table.order = order
    if (screen := app.shown_screen()) is not None:
        screen.refresh_all()
    app.say(_sentence(table, order), "muted")


def _sentence(table: "LiveTable", order: Order | None) -> str:
    if order is None:
        return "Restored the usual order of the list."
    direction = "largest first" if order.descending else "smallest first"
    return f"Sorted by {column_named(table, order.key).title}, {direction}; {sign_of('console.reverse')} reverses it."
