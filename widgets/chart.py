"""Line charts as lines of text: braille where the terminal has it, plain characters elsewhere.

A pure drawing: series in, lines out. One cell has one colour, so that a row takes few changes of style; where two
series meet in a cell, the later one gives its colour and both give their dots.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from rich.cells import cell_len

from widgets.glyphs import UNICODE, Glyphs
from widgets.line import Line, Span, clean, shorten

N_TONES = 6
_LEAST_NAME = 4
_NAME_MARGIN = 4  # the marker, the blank behind it and the gap to the next name
_BRAILLE = 0x2800
# The bit of each dot of a braille cell, by row and column.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


class Series(msgspec.Struct, frozen=True):
    """A named line: points (x, y) in the order of x. A y that is NaN or infinite leaves a gap."""

    name: str
    points: tuple[tuple[float, float], ...]
    tone: str = ""
    """One of `widgets.line.TONES`; the next series colour by default."""


class ChartView(msgspec.Struct, frozen=True, kw_only=True):
    """How a chart is looked at; by default the range of its values decides, and there is no cursor."""

    from_zero: bool = False
    """Whether the vertical axis includes zero; not on a logarithmic axis."""
    is_log: bool = False
    """Whether the vertical axis is logarithmic; values that are not above zero leave a gap."""
    y_range: tuple[float, float] | None = None
    """A fixed range of the vertical axis, in the values of the axis."""
    x_range: tuple[float, float] | None = None
    """A fixed range of the horizontal axis: the span that a title names is the span that is drawn."""
    cursor: float | None = None
    """A place on the horizontal axis: a line is drawn there, and the legend shows the values at it."""


AUTOMATIC = ChartView()


class _Frame(msgspec.Struct, frozen=True):
    """The visible part of the plane, and its size in dots."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    n_columns: int
    n_rows: int

    def dot(self, x: float, y: float) -> tuple[int, int]:
        """Find the dot of a point: (column, row), row 0 on top."""
        column = (x - self.x_low) / (self.x_high - self.x_low) * (self.n_columns - 1)
        row = (self.y_high - y) / (self.y_high - self.y_low) * (self.n_rows - 1)
        return (
            max(0, min(self.n_columns - 1, round(column))),
            max(0, min(self.n_rows - 1, round(row))),
        )


def nice_ticks(low: float, high: float, n_ticks: int) -> list[float]:
    """Choose round numbers that cover a range.

    Args:
        low: The least value.
        high: The greatest value, above `low`.
        n_ticks: The maximum number of ticks.

    Returns:
        Multiples of 1, 2 or 5 times a power of ten within the range, in rising order; at least one.

    >>> nice_ticks(0.0, 1.0, 6)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    power = 10.0 ** math.floor(math.log10((high - low) / n_ticks))
    for factor in (1, 2, 5, 10, 20):
        step = factor * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if 1 <= last - first + 1 <= n_ticks:
            return [round(index * step, 12) for index in range(first, last + 1)]
    return [(low + high) / 2]


def log_ticks(low: float, high: float, n_ticks: int) -> list[float]:
    """Choose round numbers that cover a range of decimal logarithms, and return their logarithms.

    >>> [round(10**tick, 9) for tick in log_ticks(-0.1, 2.1, 6)], [round(10**t) for t in log_ticks(1.8, 2.0, 6)]
    ([1.0, 10.0, 100.0], [70, 80, 90, 100])
    """
    decades = range(math.floor(low), math.ceil(high) + 1)
    for digits in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1,)):
        logarithms = (decade + math.log10(digit) for decade in decades for digit in digits)
        ticks = [tick for tick in logarithms if low - 1e-9 <= tick <= high + 1e-9]
        if 2 <= len(ticks) <= n_ticks:
            return ticks
    return nice_ticks(low, high, n_ticks)


def number_text(value: float, step: float) -> str:
    """Write an axis value with the decimals that its step needs.

    >>> number_text(0.30000000000000004, 0.1), number_text(12000.0, 2000.0), number_text(2.5e7, 5e6)
    ('0.3', '12k', '25M')
    """
    for limit, size, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            return f"{value / size:.4g}{unit}"
    if value and abs(value) < 1e-4:
        return f"{value:.1e}"
    decimals = 0 if step >= 1 or step <= 0 else min(6, math.ceil(-math.log10(step) - 1e-9))
    return f"{value:.{decimals}f}"


def draw_chart(
    series: Sequence[Series],
    width: int,
    height: int,
    *,
    x_title: str = "",
    y_title: str = "",
    empty: str = "No data yet.",
    glyphs: Glyphs = UNICODE,
    view: ChartView = AUTOMATIC,
) -> list[Line]:
    """Draw series into a box of text.

    Args:
        series: The series to draw; the first has the first colour and marker.
        width: The cells of a line.
        height: The number of lines.
        x_title: What the horizontal axis counts.
        y_title: What the vertical axis measures.
        empty: The text when no point can be drawn.
        glyphs: The signs to draw with.
        view: The scale of the vertical axis, and the cursor.

    Returns:
        `height` lines: the legend, the plane with its labels at the left, the horizontal axis and its labels. Each
        series ends in its own marker, which the legend repeats, so that series differ without colour.
    """
    if height <= 0 or width <= 0:
        return []
    if view.is_log:
        series = [_logarithmic(item) for item in series]
    drawable = [(index, item, _drawable_points(item)) for index, item in enumerate(series)]
    everything = [point for _, _, points in drawable for point in points]
    if not everything:
        blank = [Line()] * ((height - 1) // 2)
        return [*blank, Line(((clean(empty).center(width), "muted"),))]
    at_cursor = None if view.cursor is None else nearest_x(everything, view.cursor)
    told = [(index, item, _told_points(points, at_cursor, view)) for index, item, points in drawable]
    legend = [_legend(told, y_title, width, glyphs, has_cursor=at_cursor is not None)] if height >= 5 else []
    n_rows = height - len(legend) - 2
    if n_rows < 2 or width < 16:
        # No room for a plane: only the newest values fit.
        return [_newest(index, item, points, glyphs) for index, item, points in told][:height]
    y_low, y_high = view.y_range or y_range(series, view) or (0.0, 1.0)
    x_low, x_high = view.x_range or _x_range([x for x, _ in everything])
    find_ticks = log_ticks if view.is_log else nice_ticks
    ticks = find_ticks(y_low, y_high, max(2, min(7, n_rows // 2 + 1)))
    step = ticks[1] - ticks[0] if len(ticks) > 1 else y_high - y_low
    labels = {tick: _tick_text(tick, step, view) for tick in ticks}
    label_width = max(map(len, labels.values()))
    n_columns = width - label_width - 2
    plane = _Plane(n_columns, n_rows, glyphs)
    frame = _Frame(x_low, x_high, y_low, y_high, *plane.n_dots)
    for index, item, _ in drawable:
        plane.draw(item, frame, index)
    if at_cursor is not None:
        plane.cursor = frame.dot(at_cursor, y_low)[0] // plane.dots_across
    at_row = {plane.row_of(frame.dot(x_low, tick)[1]): tick for tick in ticks}
    body = []
    for row in range(n_rows):
        label = labels[at_row[row]].rjust(label_width) if row in at_row else " " * label_width
        mark = glyphs.tick if row in at_row else glyphs.upright
        body.append(Line(((label + " ", "muted"), (mark, "line"), *plane.row(row))))
    axis = Line(((" " * (label_width + 1), ""), (glyphs.corner + glyphs.rule * n_columns, "line")))
    if y_title and not any(line.text.startswith(clean(y_title)) for line in legend):
        x_title = f"{x_title} (y: {y_title})".strip()
    return [*legend, *body, axis, _x_labels(x_low, x_high, n_columns, label_width, x_title)]


class _Plane:
    """The cells between the axes."""

    def __init__(self, n_columns: int, n_rows: int, glyphs: Glyphs) -> None:
        self._n_columns, self._n_rows = n_columns, n_rows
        self._glyphs = glyphs
        self._braille = glyphs.name == "unicode"
        self._cells: dict[tuple[int, int], int] = {}
        self._signs: dict[tuple[int, int], str] = {}
        self._tones: dict[tuple[int, int], str] = {}
        self.cursor: int | None = None
        """The column of the cursor."""

    @property
    def dots_across(self) -> int:
        """The dots of one cell across."""
        return 2 if self._braille else 1

    @property
    def n_dots(self) -> tuple[int, int]:
        """The dots across and down."""
        return (self._n_columns * 2, self._n_rows * 4) if self._braille else (self._n_columns, self._n_rows)

    def row_of(self, dot_row: int) -> int:
        """Find the line of text in which a dot lies."""
        return dot_row // 4 if self._braille else dot_row

    def draw(self, series: Series, frame: _Frame, index: int) -> None:
        """Draw one series and end it in its marker."""
        tone = _tone(series, index)
        marker = _marker(index, self._glyphs)
        last: tuple[int, int] | None = None
        end: tuple[int, int] | None = None
        for x, y in series.points:
            if not _is_drawable(x, y):
                last = None
                continue
            dot = frame.dot(x, y)
            for column, row in _stroke(last or dot, dot):
                self._set(column, row, marker, tone)
            last = end = dot
        if end is not None:
            cell = (end[0] // 2, end[1] // 4) if self._braille else end
            self._signs[cell], self._tones[cell] = marker, tone

    def _set(self, column: int, row: int, marker: str, tone: str) -> None:
        if self._braille:
            cell = (column // 2, row // 4)
            self._cells[cell] = self._cells.get(cell, 0) | _DOTS[row % 4][column % 2]
        else:
            cell = (column, row)
            self._signs[cell] = marker
        self._tones[cell] = tone

    def row(self, row: int) -> Iterator[Span]:
        """Draw one line of the plane; blanks take the tone of their neighbours."""
        text, tone = "", ""
        for column in range(self._n_columns):
            cell = (column, row)
            sign = self._signs.get(cell) or (chr(_BRAILLE | self._cells[cell]) if cell in self._cells else " ")
            its_tone = self._tones.get(cell, tone)
            if column == self.cursor and sign == " ":
                sign, its_tone = self._glyphs.upright, "accent"
            if its_tone != tone and text:
                yield text, tone
                text = ""
            text, tone = text + sign, its_tone
        yield text, tone


def _stroke(start: tuple[int, int], end: tuple[int, int]) -> Iterable[tuple[int, int]]:
    """Walk the dots of a straight line."""
    n_steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    if n_steps == 0:
        yield end
        return
    for step in range(n_steps + 1):
        yield (
            start[0] + round((end[0] - start[0]) * step / n_steps),
            start[1] + round((end[1] - start[1]) * step / n_steps),
        )


def _range(values: Sequence[float], margin: float = 0.05) -> tuple[float, float]:
    low, high = min(values), max(values)
    spread = high - low
    if spread <= 1e-12 * max(1.0, abs(low), abs(high)):
        room = abs(low) * 0.05 or 1.0
        return low - room, high + room
    return low - spread * margin, high + spread * margin


def y_range(series: Sequence[Series], view: ChartView) -> tuple[float, float] | None:
    """Return the range of the vertical axis that the values need, in the values of the axis; None without a value.

    >>> y_range([Series("a", ((0.0, 50.0), (1.0, 100.0)))], ChartView(from_zero=True))
    (0.0, 102.5)
    """
    values = [y for item in series for _, y in _drawable_points(item)]
    if not values:
        return None
    low, high = _range(values)
    if not view.from_zero or view.is_log:
        return low, high
    return (0.0, high) if min(values) >= 0 else (low, max(high, 0.0))


def nearest_x(points: Sequence[tuple[float, float]], x: float) -> float:
    """Return the x of the points that is nearest to a place."""
    return min((at for at, _ in points), key=lambda at: (abs(at - x), at))


def _told_points(
    points: Sequence[tuple[float, float]], at_cursor: float | None, view: ChartView
) -> list[tuple[float, float]]:
    """Return the points of which the legend tells the last: those up to now, or that at the cursor."""
    told = points[-1:] if at_cursor is None else [point for point in points if point[0] == at_cursor]
    return [(x, 10.0**y if view.is_log else y) for x, y in told]


def _logarithmic(series: Series) -> Series:
    points = ((x, math.log10(y) if y > 0 and _is_drawable(x, y) else math.nan) for x, y in series.points)
    return Series(series.name, tuple(points), series.tone)


def _tick_text(tick: float, step: float, view: ChartView) -> str:
    return number_text(tick, step) if not view.is_log else f"{10.0**tick:.3g}"


def _x_range(values: Sequence[float]) -> tuple[float, float]:
    """Span the points; a single epoch stands at the beginning of its axis, not at a fraction of an epoch."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low, low + 1.0)


def _drawable_points(series: Series) -> list[tuple[float, float]]:
    return [(x, y) for x, y in series.points if _is_drawable(x, y)]


def _is_drawable(x: float, y: float) -> bool:
    # NaN compares false. Values near the largest float would make the range around them infinite.
    return abs(x) < 1e300 and abs(y) < 1e300


def _tone(series: Series, index: int) -> str:
    return series.tone or f"series-{index % N_TONES + 1}"


def _marker(index: int, glyphs: Glyphs) -> str:
    return glyphs.markers[index % len(glyphs.markers)]


def _legend(
    drawable: Sequence[tuple[int, Series, list[tuple[float, float]]]],
    y_title: str,
    width: int,
    glyphs: Glyphs,
    *,
    has_cursor: bool = False,
) -> Line:
    """Name the unit and every series; the unit may go below the axis, then values go, then parts of names."""
    title: list[Span] = [(f"{clean(y_title)}  ", "muted")] if y_title else []
    names = [
        ((_marker(index, glyphs), _tone(item, index)), (f" {clean(item.name)}", "")) for index, item, _ in drawable
    ]
    none = " –" if has_cursor else " no data"
    values = [(f" {points[-1][1]:.4g}" if points else none, "muted") for _, _, points in drawable]
    named = [span for name in names for span in (*name, ("  ", ""))]
    valued = [span for name, value in zip(names, values, strict=True) for span in (*name, value, ("  ", ""))]
    for spans in ([*title, *valued], valued, named):
        if sum(cell_len(text) for text, _ in spans[:-1]) <= width:  # the last span is the gap to a next name
            return Line(tuple(spans[:-1]))
    rooms = _share_out(width - _NAME_MARGIN * len(names), [cell_len(name) - 1 for _, (name, _) in names])
    short: list[Span] = []
    for (marker, (name, tone)), room in zip(names, rooms, strict=True):
        short += [
            marker,
            (f" {shorten(name.strip(), max(_LEAST_NAME, room), ellipsis=glyphs.ellipsis)}", tone),
            ("  ", ""),
        ]
    return Line(tuple(short[:-1]))


def _share_out(room: int, wanted: Sequence[int]) -> list[int]:
    """Give each name what it wants, or an equal part of what the shorter names leave.

    >>> _share_out(20, [4, 30, 30])
    [4, 8, 8]
    """
    given = [0] * len(wanted)
    for n_left, index in zip(
        range(len(wanted), 0, -1), sorted(range(len(wanted)), key=wanted.__getitem__), strict=True
    ):
        given[index] = min(wanted[index], max(0, room // n_left))
        room -= given[index]
    return given


def _newest(index: int, series: Series, points: Sequence[tuple[float, float]], glyphs: Glyphs) -> Line:
    newest = f"{points[-1][1]:.4g}" if points else "no data"
    marker = (_marker(index, glyphs), _tone(series, index))
    return Line((marker, (f" {clean(series.name)} ", ""), (newest, "muted")))


def _x_labels(low: float, high: float, n_columns: int, label_width: int, title: str) -> Line:
    step = 1.0 if low.is_integer() and high.is_integer() else (high - low) / 10
    left, right = number_text(low, step), number_text(high, step)
    name = clean(title)
    gap = n_columns - len(left) - len(right)
    middle = name.center(gap) if cell_len(name) + 2 <= gap else " " * max(1, gap)
    return Line(((" " * (label_width + 2) + left + middle + right, "muted"),))
