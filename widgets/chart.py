"""Line charts as lines of text: braille where the terminal has it, plain characters elsewhere.

A pure drawing: series in, lines out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from widgets.alike import told_apart
from widgets.glyphs import UNICODE, Glyphs
from widgets.line import Line, Span, clean, n_cells, shorten
from widgets.plane import Frame, Plane, PlanePoint, is_drawable
from widgets.ticks import number_text, tick_labels

N_TONES = 6
_LEAST_NAME = 4
_NAME_MARGIN = 4  # the marker, the blank behind it and the gap to the next name


class Series(msgspec.Struct, frozen=True):
    """A named line: points (x, y) in the order of x. A y that is NaN or infinite leaves a gap."""

    name: str
    points: tuple[PlanePoint, ...]
    tone: str = ""
    """One of `widgets.line.TONES`; the next series colour by default."""
    is_edge: bool = False
    """Whether it is the edge of a band around another line: the legend does not name it, and it has no marker."""


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
    most_x: float | None = None
    """Where a steady horizontal axis ends at the latest, unless points lie beyond."""
    is_steady: bool = False
    """Whether the axes grow in steps: a chart that gains a point is not drawn anew. The horizontal axis counts."""
    cursor: float | None = None
    """A place on the horizontal axis: a line is drawn there, and the legend shows the values at it."""


AUTOMATIC = ChartView()
STEADY = ChartView(is_steady=True)


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
    named = [
        (index, item, _legend_points(points, at_cursor, view)) for index, item, points in drawable if not item.is_edge
    ]
    legend = [_legend(named, y_title, width, glyphs, has_cursor=at_cursor is not None)] if height >= 5 else []
    n_rows = height - len(legend) - 2
    if n_rows < 2 or width < 16:
        # No room for a plane: only the newest values fit.
        return [_newest(index, item, points, glyphs) for index, item, points in named][:height]
    y_low, y_high = view.y_range or y_range(series, view) or (0.0, 1.0)
    x_low, x_high = view.x_range or _x_range([x for x, _ in everything])
    if view.is_steady:
        y_low, y_high = steady_range(y_low, y_high)
        x_high = max(x_high, min(steady_end(x_high), math.inf if view.most_x is None else view.most_x))
    labels = tick_labels(y_low, y_high, max(2, min(7, n_rows // 2 + 1)), is_log=view.is_log)
    label_width = max(map(len, labels.values()))
    n_columns = width - label_width - 2
    plane = Plane(n_columns, n_rows, glyphs)
    frame = Frame(x_low, x_high, y_low, y_high, *plane.n_dots)
    for index, item, _ in drawable:
        marker = glyphs.rule if item.is_edge else _marker(index, glyphs)
        plane.draw(item.points, frame, tone=_tone(item, index), marker=marker, is_ended=not item.is_edge)
    if at_cursor is not None:
        plane.cursor = frame.dot(at_cursor, y_low)[0] // plane.dots_across
    at_row = {plane.row_of(frame.dot(x_low, tick)[1]): label for tick, label in labels.items()}
    body = []
    for row in range(n_rows):
        mark = glyphs.tick if row in at_row else glyphs.upright
        body.append(Line(((f"{at_row.get(row, ''):>{label_width}} ", "muted"), (mark, "line"), *plane.row(row))))
    axis = Line(((" " * (label_width + 1), ""), (glyphs.corner + glyphs.rule * n_columns, "line")))
    if y_title and not any(line.text.startswith(clean(y_title)) for line in legend):
        x_title = f"{x_title} (y: {y_title})".strip()
    return [*legend, *body, axis, _x_labels(x_low, x_high, n_columns, label_width, x_title)]


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


def steady_range(low: float, high: float) -> tuple[float, float]:
    """Extend a range to multiples of a step of an eighth of it, or less.

    >>> steady_range(57.3, 101.2), steady_range(58.9, 100.4)
    ((55.0, 105.0), (55.0, 105.0))
    """
    power = 10.0 ** math.floor(math.log10((high - low) / 8))
    step = max(factor for factor in (1, 2, 5) if factor * power <= (high - low) / 8) * power
    return round(math.floor(low / step) * step, 12), round(math.ceil(high / step) * step, 12)


def steady_end(newest: float) -> float:
    """Return where an axis that counts ends: a multiple of eight, from 64 on at most an eighth beyond the newest point.

    >>> [steady_end(n) for n in (3.0, 41.0, 44.0, 65.0, 1000.0)]
    [8.0, 48.0, 48.0, 72.0, 1024.0]
    """
    step = 2.0 ** max(3, math.frexp(newest)[1] - 4)
    return math.ceil(newest / step) * step


def nearest_x(points: Sequence[PlanePoint], x: float) -> float:
    """Return the x of the points that is nearest to a place."""
    return min((at for at, _ in points), key=lambda at: (abs(at - x), at))


def _legend_points(points: Sequence[PlanePoint], at_cursor: float | None, view: ChartView) -> list[PlanePoint]:
    """Return the point that the legend spells: the newest, or the one at the cursor."""
    shown = points[-1:] if at_cursor is None else [point for point in points if point[0] == at_cursor]
    return [(x, 10.0**y if view.is_log else y) for x, y in shown]


def _logarithmic(series: Series) -> Series:
    points = ((x, math.log10(y) if y > 0 and is_drawable(x, y) else math.nan) for x, y in series.points)
    return replace(series, points=tuple(points))


def _x_range(values: Sequence[float]) -> tuple[float, float]:
    """Span the points; a single epoch stands at the beginning of its axis, not at a fraction of an epoch."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low, low + 1.0)


def _drawable_points(series: Series) -> list[PlanePoint]:
    return [(x, y) for x, y in series.points if is_drawable(x, y)]


def _tone(series: Series, index: int) -> str:
    return series.tone or f"series-{index % N_TONES + 1}"


def _marker(index: int, glyphs: Glyphs) -> str:
    return glyphs.markers[index % len(glyphs.markers)]


def _legend(
    drawable: Sequence[tuple[int, Series, list[PlanePoint]]],
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
        if sum(n_cells(text) for text, _ in spans[:-1]) <= width:  # the last span is the gap to a next name
            return Line(tuple(spans[:-1]))
    rooms = _share_out(width - _NAME_MARGIN * len(names), [n_cells(name) - 1 for _, (name, _) in names])
    rooms = [max(_LEAST_NAME, room) for room in rooms]
    apart = told_apart((name.strip() for _, (name, _) in names), max(rooms), ellipsis=glyphs.ellipsis)
    short: list[Span] = []
    for (marker, (name, tone)), room in zip(names, rooms, strict=True):
        whole = name.strip()
        cut = shorten(apart.get(whole, whole), room, ellipsis=glyphs.ellipsis)
        short += [marker, (f" {cut}", tone), ("  ", "")]
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


def _newest(index: int, series: Series, points: Sequence[PlanePoint], glyphs: Glyphs) -> Line:
    newest = f"{points[-1][1]:.4g}" if points else "no data"
    marker = (_marker(index, glyphs), _tone(series, index))
    return Line((marker, (f" {clean(series.name)} ", ""), (newest, "muted")))


def _x_labels(low: float, high: float, n_columns: int, label_width: int, title: str) -> Line:
    step = 1.0 if low.is_integer() and high.is_integer() else (high - low) / 10
    left, right = number_text(low, step), number_text(high, step)
    name = clean(title)
    gap = n_columns - len(left) - len(right)
    middle = name.center(gap) if n_cells(name) + 2 <= gap else " " * max(1, gap)
    return Line(((" " * (label_width + 2) + left + middle + right, "muted"),))
