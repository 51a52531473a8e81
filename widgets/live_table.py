"""A table for lists that tick: rows have keys, and only cells that changed are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import le
from textwrap import wrap
from typing import ClassVar

import msgspec
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from widgets.alike import told_apart
from widgets.columns import Column, fit_columns
from widgets.filtering import filter_rows
from widgets.line import Line, Span, clean, fit, fit_line, n_cells
from widgets.ordering import Order, sort_rows
from widgets.painted import Painted
from widgets.rows import Cell, Row, RowPage
from widgets.short_numbers import shorter_number

__all__ = ["Cell", "Column", "LiveTable", "Row"]


_LEAST_BESIDE_SPLIT = 3  # rows in view beside one that takes two lines
_MOST_DRAWN = 256  # rows kept as they were drawn: several screens, so that all in view are among them
_LayoutKey = tuple[int, int, tuple[int, ...], tuple[str, ...], str]
_NO_LAYOUT: _LayoutKey = (-1, 0, (), (), "")


class LiveTable(Painted, can_focus=True):
    """A list with a cursor that stays on its row while others are inserted, removed or sorted around it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "Down", show=False),
        Binding("k,up", "move(-1)", "Up", show=False),
        Binding("g,home", "first", "First", show=False),
        Binding("G,end", "last", "Last", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]

    @dataclass
    class RowHighlighted(Message):
        """The cursor arrived on another row; `row_key` is None when the list ran empty."""

        table: LiveTable
        row_key: str | None

        @property
        def control(self) -> LiveTable:
            """The table, for `@on` selectors."""
            return self.table

    @dataclass
    class RowChosen(Message):
        """Enter or a double click on a row."""

        table: LiveTable
        row_key: str

        @property
        def control(self) -> LiveTable:
            """The table, for `@on` selectors."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str = "Nothing here yet.",
        show_header: bool = True,
        sortable: bool = True,
        sticky: bool = False,
        name: str | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        """Make a list.

        Args:
            columns: Its columns, from left to right.
            empty: The text without any row.
            show_header: Whether the titles of the columns are drawn.
            sortable: Whether the operator may choose the order.
            sticky: Keep a cursor that is on top there, on what is newest, instead of on its row.
            name: As for any widget.
            id: As for any widget.
            classes: As for any widget.
        """
        super().__init__(name=name, id=id, classes=classes)
        self._columns = tuple(columns)
        self._sticky = sticky
        self._empty = empty
        self._show_header = show_header
        self.sortable = sortable and show_header
        """Whether the operator may choose the order; the order of a graph is its meaning."""
        self.row_in_full = ""
        """The key of the row that takes a second line where a text of it is cut."""
        self.column_in_full = ""
        """The key of the column of that text."""
        self._split_at: int | None = None  # the place of that row among the rows in view
        self._order: Order | None = None
        self._wanted: tuple[str, ...] = ()
        self._page: RowPage | None = None  # of a list that is read page by page
        self._all_rows: tuple[Row, ...] = ()  # that were read
        self._rows: Sequence[Row] = ()
        self._keys: frozenset[str] = frozenset()
        self._filter = self._own_filter = ""
        self.takes_filter: Callable[[str], bool] = lambda _words: True
        """Whether the table applies these words itself; else the rows that it is given are the chosen ones already."""
        self._cursor = 0
        self._top = 0
        self._layout: tuple[tuple[int, int], ...] = ()  # (index of the column, its width) from left to right
        self._layout_key: _LayoutKey = _NO_LAYOUT
        self._longest: tuple[int, ...] = ()  # the longest cell of each column of words, 0 for numbers
        self._drawn: dict[str, tuple[Row, Line]] = {}
        self._apart: dict[int, dict[str, str]] = {}  # other cuts of names that would be cut alike, by column
        self._apart_of: tuple[object, object] = ((), ())  # the layout and the rows they are of

    # Input of the table

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show these rows; the cursor stays on its row, or on its place when that row is gone.

        Of a list that is read page by page, a filter and an order act on the page.

        Raises:
            ValueError: Two rows share a key, or a row has not one cell per column.
        """
        if not isinstance(rows, RowPage) and self._page is None and tuple(rows) == self._all_rows:
            return  # the check is quick where the rows are the same objects
        self._take_rows(rows)

    def _take_rows(self, rows: Sequence[Row]) -> None:
        self._page = rows if isinstance(rows, RowPage) else None
        rows = rows.loaded if isinstance(rows, RowPage) else rows
        if len({row.key for row in rows}) != len(rows):
            raise ValueError("two rows share a key")
        if any(len(row.cells) != len(self._columns) for row in rows):
            raise ValueError(f"every row needs {len(self._columns)} cells")
        self._all_rows = tuple(rows)
        self._longest = tuple(
            max(len(column.title), *(len(row.text(index)) for row in rows), 0)
            if column.align == "left" or column.cut == "middle"
            else 0
            for index, column in enumerate(self._columns)
        )
        self._select_rows()

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Replace the columns; rows are kept if they have as many cells as before, else dropped."""
        if tuple(columns) == self._columns:
            return
        fits = len(columns) == len(self._columns)
        self._columns = tuple(columns)
        self._layout_key = _NO_LAYOUT
        self._take_rows((self._page or self._all_rows) if fits else ())

    @property
    def filter_words(self) -> str:
        """Words that must all occur in a row, ignoring case, `column:word` in that column; "" shows every row."""
        return self._filter

    @filter_words.setter
    def filter_words(self, words: str) -> None:
        if words != self._filter:
            self._filter = words
            self._select_rows()

    @property
    def own_filter(self) -> str:
        """The filter words that belong to the list, and that Esc does not clear."""
        return self._own_filter

    @own_filter.setter
    def own_filter(self, words: str) -> None:
        self._own_filter = words
        self.filter_words = words

    @property
    def order(self) -> Order | None:
        """The column that the rows are sorted by; None keeps them in the order they were set in."""
        return self._order

    @order.setter
    def order(self, order: Order | None) -> None:
        if order != self._order:
            self._order = order
            self._select_rows()

    @property
    def empty(self) -> str:
        """The text without any row, with advice."""
        return self._empty

    @empty.setter
    def empty(self, text: str) -> None:
        if text != self._empty:
            self._empty = text
            self.resize_to_content()

    # State of the table

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column, including columns dropped for lack of room."""
        return self._columns

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that pass the filter; of a list that is read page by page, those that were read."""
        return self._rows.loaded if isinstance(self._rows, RowPage) else tuple(self._rows)

    @property
    def row_keys(self) -> frozenset[str]:
        """The keys of the rows that pass the filter."""
        return self._keys

    @property
    def n_all_rows(self) -> int:
        """The number of rows without the filter."""
        return len(self._all_rows if self._page is None else self._page)

    @property
    def n_unread(self) -> int:
        """The number of rows outside the page that was read."""
        return 0 if self._page is None else len(self._page) - len(self._page.loaded)

    @property
    def shown_columns(self) -> tuple[Column, ...]:
        """The columns that there is room for, from left to right."""
        return tuple(self._columns[index] for index, _ in self._layout)

    @property
    def chosen_columns(self) -> tuple[tuple[int, Column], ...]:
        """The columns that the operator wants, each with its place in the rows, also without room for all."""
        return tuple((index, self._columns[index]) for index in self._chosen() if self._columns[index].is_titled)

    def choose_columns(self, keys: Sequence[str]) -> None:
        """Show these columns in this order, and columns without a title; those of names stay; none is all."""
        self._wanted = tuple(dict.fromkeys(keys))
        self.repaint()

    def _chosen(self) -> list[int]:
        places = {column.key: index for index, column in enumerate(self._columns)}
        if not any(key in places for key in self._wanted):
            return list(range(len(self._columns)))
        wanted = [places[key] for key in self._wanted if key in places]
        always = [
            index
            for index, column in enumerate(self._columns)
            if not column.is_titled or (column.is_key and index not in wanted)
        ]
        return list(dict.fromkeys((*always, *wanted)))

    @property
    def order_out_of_sight(self) -> str:
        """Name the column that the rows are sorted by if there is no room for it and its arrow."""
        order = self._order
        if order is None or not self.size.width:  # it has no room yet
            return ""
        self._lay_out(*self.size)  # which may be another one than that of the last drawing
        if any(
            self._columns[index].key == order.key and _has_room_for_arrow(self._columns[index], width)
            for index, width in self._layout
        ):
            return ""
        title = next((column.title for column in self._columns if column.key == order.key), order.key)
        return f"by {title} {self.glyphs.down if order.descending else self.glyphs.up}"

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._rows[self._cursor].key if self._rows else None

    @property
    def cursor_index(self) -> int:
        """The place of the cursor among the rows shown, from 0."""
        return self._cursor

    def move_to(self, key: str) -> bool:
        """Put the cursor on a row.

        Returns:
            False when no row that is shown has this key.
        """
        if (place := self._place_of(key)) is None:
            return False
        self._put_cursor(place)
        return True

    # Keys and mouse

    def action_move(self, steps: int) -> None:
        """Move the cursor down, or up where negative."""
        self._put_cursor(self._cursor + steps)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self._put_cursor(self._cursor + pages * max(1, self._body_height() - 1))

    def action_first(self) -> None:
        """Move the cursor to the first row."""
        self._put_cursor(0)

    def action_last(self) -> None:
        """Move the cursor to the last row."""
        self._put_cursor(len(self._rows) - 1)

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        if (key := self.cursor_key) is not None:
            self.post_message(self.RowChosen(self, key))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the row clicked; a double click opens it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        index = self._top + offset.y - self._show_header
        index -= self._split_at is not None and index > self._top + self._split_at
        if index < self._top or index >= len(self._rows):
            return
        self._put_cursor(index)
        if event.chain == 2:
            self.action_choose()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Turn the wheel: three rows at a time."""
        event.stop()
        self._put_cursor(self._cursor + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Turn the wheel back."""
        event.stop()
        self._put_cursor(self._cursor - 3)

    def watch_has_focus(self, has_focus: bool) -> None:
        """Draw the cursor as the focus comes and goes."""
        super().watch_has_focus(has_focus)
        self.repaint()

    # Rows and cursor

    def _select_rows(self) -> None:
        before, was_at_top = self.cursor_key, self._cursor == 0
        is_filtered = self._filter and self.takes_filter(self._filter)
        rows = filter_rows(self._all_rows, self._columns, self._filter) if is_filtered else self._all_rows
        if self._order is not None and (by := self._index_of(self._order.key)) is not None:
            rows = tuple(sort_rows(rows, by, descending=self._order.descending))
        is_paged = self._page is not None and rows is self._all_rows
        self._rows = self._page if is_paged and self._page is not None else rows
        self._cursor = 0 if self._sticky and was_at_top else self._place_near(before)
        self._keys = frozenset(row.key for row in rows)
        self._drawn = {key: drawn for key, drawn in self._drawn.items() if key in self._keys}
        self.resize_to_content()
        self._announce(before)

    def _place_near(self, key: str | None) -> int:
        """Find the row with a key; if a filter hides it, the nearest row of the list; if it is gone, the same place."""
        if isinstance(self._rows, RowPage):
            place = self._rows.place_of(key)
            return max(0, min(self._cursor, len(self._rows) - 1)) if place is None else place
        places = {row.key: index for index, row in enumerate(self._rows)}
        if key in places:
            return places[key]
        here = next((index for index, row in enumerate(self._all_rows) if row.key == key), None)
        if here is None or not places:
            return max(0, min(self._cursor, len(self._rows) - 1))
        shown = [(abs(index - here), places[row.key]) for index, row in enumerate(self._all_rows) if row.key in places]
        return min(shown)[1]

    def _place_of(self, key: str) -> int | None:
        if isinstance(self._rows, RowPage):
            return self._rows.place_of(key)
        return next((index for index, row in enumerate(self._rows) if row.key == key), None)

    def _index_of(self, key: str) -> int | None:
        return next((index for index, column in enumerate(self._columns) if column.key == key), None)

    def _put_cursor(self, index: int) -> None:
        before = self.cursor_key
        self._cursor = max(0, min(index, len(self._rows) - 1))
        if self.cursor_key != before:
            self.repaint()
            self._announce(before)

    def _announce(self, before: str | None) -> None:
        if self.cursor_key != before:
            self.post_message(self.RowHighlighted(self, self.cursor_key))

    def _body_height(self) -> int:
        return max(1, self.size.height - self._show_header)

    def _scroll(self, n_visible: int) -> None:
        """Bring the cursor into view.

        A scroll repaints every row, so it goes a third of the pane at once: a key held down sends a sixth of what
        scrolling row by row would.
        """
        jump = max(1, n_visible // 3)
        if self._cursor < self._top:
            self._top = max(0, min(self._cursor, self._top - jump))
        elif self._cursor >= self._top + n_visible:
            self._top = max(self._cursor - n_visible + 1, self._top + jump)
        self._top = max(0, min(self._top, len(self._rows) - n_visible))

    # Drawing

    def n_lines(self, width: int) -> int:
        """Count the lines of the whole list, header included."""
        self._fit_columns(width)
        if not self._rows:
            return self._show_header + len(self._empty_lines(width))
        return self._show_header + len(self._rows) + (self._split() is not None)

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the header and the rows in view."""
        n_visible, overflows = self._lay_out(width, height)
        lines = [self._header()] if self._show_header else []
        if not self._rows:
            return lines + self._empty_lines(width)
        body = [
            self._row_line(index, width - overflows)
            for index in range(self._top, min(self._top + n_visible, len(self._rows)))
        ]
        if self._split_at is not None:
            body[self._split_at : self._split_at + 1] = self._in_two_lines(body[self._split_at])
        return lines + (self._with_thumb(body, n_visible, width) if overflows else body)

    def _lay_out(self, width: int, height: int) -> tuple[int, bool]:
        """Scroll to the cursor and fit the columns; return how many rows are in view, and whether there are more."""
        n_visible = max(1, height - self._show_header)
        self._scroll(n_visible)
        overflows = len(self._rows) > n_visible
        self._fit_columns(width - overflows)
        self._split_at = self._place_of_split(n_visible)
        if self._split_at is not None:
            n_visible -= 1
            overflows = len(self._rows) > n_visible
            self._fit_columns(width - overflows)
        return n_visible, overflows

    def _split(self) -> tuple[int, int, str, str] | None:
        """Split the text that its column cuts, of the row in full: place of its span, width, head and rest."""
        row = next((row for row in self._rows if row.key == self.row_in_full), None)
        for position, (index, width) in enumerate(self._layout):
            if row is not None and self._columns[index].key == self.column_in_full:
                text = clean(getattr(row.cells[index], "brief", "") or row.text(index))
                if n_cells(row.text(index)) <= width or n_cells(text) <= width:
                    return None
                head = (wrap(text, width) or [""])[0]
                return position, width, head, text[len(head) :].strip()
        return None

    def _place_of_split(self, n_visible: int) -> int | None:
        """Return the place of the row in two lines among the rows in view; None without it, or without the room."""
        if not self.row_in_full or n_visible <= _LEAST_BESIDE_SPLIT or self._split() is None:
            return None
        place = next(index for index, row in enumerate(self._rows) if row.key == self.row_in_full) - self._top
        fits = 0 <= place < n_visible - 1 and self._cursor < self._top + n_visible - 1
        return place if fits else None

    def _in_two_lines(self, line: Line) -> list[Line]:
        """Let the text of a row end with a whole word, and go on in a second line."""
        if (split := self._split()) is None:
            return [line]
        position, width, head, rest = split
        at = 1 + 2 * position  # each cell but the first has a gap before it
        spans = list(line.spans)
        spans[at] = (fit(head, width, ellipsis=self.glyphs.ellipsis), spans[at][1])
        return [Line(tuple(spans), line.ground), Line(((f"  {rest}", spans[at][1]),), line.ground)]

    def _header(self) -> Line:
        spans: list[Span] = [(" ", "")]
        for position, (index, width) in enumerate(self._layout):
            column = self._columns[index]
            gap = " " * self._gap if position else ""
            spans.append((gap + self._heading(column, width), "title"))
        return Line(tuple(spans))

    def _heading(self, column: Column, width: int) -> str:
        """Write a column's title, with an arrow if the rows are sorted by it."""
        glyphs, title = self.glyphs, column.title
        if self._order is not None and self._order.key == column.key and _has_room_for_arrow(column, width):
            title += glyphs.down if self._order.descending else glyphs.up
        return fit(title, width, align=column.align, cut=column.cut, ellipsis=glyphs.ellipsis)

    def _row_line(self, index: int, width: int) -> Line:
        row = self._rows[index]
        drawn = self._drawn.get(row.key)
        if drawn is None or drawn[0] != row:
            drawn = self._drawn[row.key] = (row, self._plain_line(row))
            if len(self._drawn) > _MOST_DRAWN:  # a list grows by a row a minute, and each was in view once
                del self._drawn[next(iter(self._drawn))]
        line = drawn[1]
        if index != self._cursor:
            return line
        if self.has_focus:
            return Line(((self.glyphs.cursor, "accent"), *line.spans[1:]), "cursor")
        return Line(((self.glyphs.cursor_idle, "muted"), *line.spans[1:]), "cursor-idle")

    def _plain_line(self, row: Row) -> Line:
        glyphs = self.glyphs
        spans: list[Span] = [(" ", "")]
        for position, (index, width) in enumerate(self._layout):
            cell = row.cells[index]
            if position:
                spans.append((" " * self._gap, ""))
            if isinstance(cell, Line):
                cleaned = Line(tuple((clean(text, replacement=glyphs.replacement), tone) for text, tone in cell.spans))
                spans += fit_line(cleaned, width, ellipsis=glyphs.ellipsis).spans
                continue
            text, tone = (cell, "") if isinstance(cell, str) else (cell.text, cell.tone)
            if not isinstance(cell, str) and cell.brief and n_cells(text) > width:
                text = cell.brief
            text = clean(text, replacement=glyphs.replacement)
            column = self._columns[index]
            if column.align == "right" and n_cells(text) > width and (short := shorter_number(text, width)) is not None:
                text = short or glyphs.ellipsis
            fitted = self._apart[index].get(text, "") if index in self._apart else ""
            fitted = fitted or fit(text, width, align=column.align, cut=column.cut, ellipsis=glyphs.ellipsis)
            spans.append((fitted, tone or row.tone))
        return Line(tuple(spans))

    def _empty_lines(self, width: int) -> list[Line]:
        text = f'No row has "{clean(self._filter)}" in it. {self._way_back()}' if self._filter else self._empty
        return [Line(((" " + line, "muted"),)) for line in wrap(text, max(10, width - 2))]

    def _way_back(self) -> str:
        """Say whether Esc clears the filter: it leaves the filter that the list has of its own."""
        if not self._own_filter:
            return "Esc clears the filter."
        if self._filter == self._own_filter:
            return "The view has this filter."
        return f'Esc clears all but "{clean(self._own_filter)}", the filter of the view.'

    def _with_thumb(self, body: list[Line], n_visible: int, width: int) -> list[Line]:
        """Draw how far the list is scrolled in its last column."""
        n_rows = len(self._rows)
        size = max(1, n_visible * n_visible // n_rows)
        free = n_visible - size
        start = round(self._top * free / (n_rows - n_visible))
        thumb = self.glyphs.thumb
        lines = []
        for y, line in enumerate(body):
            padding = " " * (width - 1 - line.width)
            mark = (thumb, "line") if start <= y < start + size else (" ", "")
            lines.append(Line((*line.spans, (padding, ""), mark), line.ground))
        return lines

    def _fit(self, columns: list[Column], width: int, longest: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Fit the columns, with a cell for the arrow of the sorted one, unless a column or a title is lost to it."""
        fitted = fit_columns(columns, width, gap=self._gap, longest=longest)
        key = self._order.key if self._order else ""
        with_arrow = [
            msgspec.structs.replace(column, width=max(column.width, n_cells(column.title) + 1))
            if column.key == key
            else column
            for column in columns
        ]
        refitted = fit_columns(with_arrow, width, gap=self._gap, longest=longest)
        if [place for place, _ in refitted] != [place for place, _ in fitted]:
            return fitted
        titles = [min(cells, n_cells(columns[place].title)) for place, cells in fitted]
        return refitted if all(map(le, titles, (cells for _, cells in refitted))) else fitted

    def _fit_columns(self, width: int) -> None:
        key = (width, id(self.glyphs), self._longest, self._wanted, self._order.key if self._order else "")
        if self._layout_key == key:
            self._tell_apart()
            return
        same_cells = self._layout_key[:2] == key[:2]
        self._layout_key = key
        self._gap = 2 if width >= 70 else 1
        chosen = self._chosen()
        longest = [self._longest[index] for index in chosen] if self._longest else ()
        fitted = self._fit([self._columns[index] for index in chosen], width - 1, longest)
        layout = tuple((chosen[place], cells) for place, cells in fitted)
        if layout != self._layout or not same_cells:
            self._layout = layout
            self._drawn.clear()
        self._tell_apart()

    def _tell_apart(self) -> None:
        """Choose other cuts for names of this layout that would be cut alike."""
        layout, rows = self._apart_of
        if layout is self._layout and rows is self._all_rows:
            return
        self._apart_of = (self._layout, self._all_rows)
        apart = {
            index: told_apart(
                (clean(row.text(index), replacement=self.glyphs.replacement) for row in self._all_rows),
                width,
                ellipsis=self.glyphs.ellipsis,
            )
            for index, width in self._layout
            if self._columns[index].cut == "middle" and self._longest and self._longest[index] > width
        }
        if apart != self._apart:
            self._apart = apart
            self._drawn.clear()


def _has_room_for_arrow(column: Column, width: int) -> bool:
    return n_cells(column.title) < width
