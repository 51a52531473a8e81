"""Charts on the whole screen: their scales, and one cursor through all of them that shows the values at it."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from console.dialogs.dialog import FullScreenDialog
from console.presentation.charts import Chart
from console.runtime.background import in_background
from console.runtime.histories import Window
from widgets.chart import AUTOMATIC, ChartView, y_range
from widgets.line import Line, clean, key_line
from widgets.line_chart import LineChart
from widgets.lines_pane import Caption

LOOK_SECONDS = 2.0
_LEAST_ROWS = 9  # of one chart in its frame: below it the axis has no room for its numbers
_MOST_CHARTS = 4
_BESIDE_ROWS = 5  # the top line, the frame, the state and the keys
_CLOSER = 4.0
_LEAST_STEPS = 8.0
"""The narrowest part of an axis of steps; of an axis of minutes, a sixteenth of it."""
_KEYS = (
    ("h l", "move"),
    ("G", "now"),
    ("i o", "zoom"),
    ("j k", "chart"),
    ("+", "alone"),
    ("s", "scale"),
    ("y", "copies"),
    ("x", "log"),
)
_SCALES = ("automatic", "from zero", "fixed")


class ChartsDialog(FullScreenDialog):
    """Several charts below each other; the cursor of one is the cursor of all."""

    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v,question_mark", "cancel", "Close", show=False),
        Binding("h,left", "move(-1)", "Left", show=False),
        Binding("l,right", "move(1)", "Right", show=False),
        Binding("b,pageup", "move(-10)", "Far left", show=False),
        Binding("f,pagedown", "move(10)", "Far right", show=False),
        Binding("g,home", "move(-1000000)", "First", show=False),
        Binding("G,end", "newest", "Newest", show=False),
        Binding("j,down,tab", "choose(1)", "Next chart", show=False),
        Binding("k,up,shift+tab", "choose(-1)", "Previous chart", show=False),
        Binding("plus", "zoom", "Zoom", show=False),
        Binding("i", "closer", "Closer", show=False),
        Binding("o", "farther", "Farther", show=False),
        Binding("s", "scale", "Scale", show=False),
        Binding("x", "log", "Logarithmic", show=False),
        Binding("y", "copy", "Copy", show=False),
    ]

    def __init__(self, title: str, look: Callable[[Window], Sequence[Chart]]) -> None:
        """Take the title, and the function that reads the charts; it runs in a thread, again and again.

        Args:
            title: The title.
            look: Reads the charts at the resolution of the part of the horizontal axis that is looked at.
        """
        super().__init__()
        self._title = title
        self._look = look
        self._charts: tuple[Chart, ...] = ()
        self._views: dict[str, ChartView] = {}
        self._scales: dict[str, int] = {}
        self._chosen = 0
        self._is_read = False
        self._is_zoomed = False
        self._cursor: float | None = None
        self._window: Window = None
        self._whole: Window = None

    def compose_body(self) -> ComposeResult:
        """Yield the charts and the keys."""
        with Vertical(id="chart-list"):
            for index in range(_MOST_CHARTS):
                yield LineChart(id=f"chart-{index}", classes="pane", empty="Reading…")
        yield Caption(id="chart-state")
        yield Caption(id="dialog-hint")

    def on_mount(self) -> None:
        """Read the charts."""
        self.entitle(self._title)
        self.become_readable()
        self._read()
        self.set_interval(LOOK_SECONDS, self._read)

    def _read(self) -> None:
        window = self._window
        look = partial(
            self.look_up,
            lambda: self._look(window),
            lambda charts: self._found(charts, window),
            lambda reason: self._tell(reason, "bad"),
        )
        in_background(self, look, exclusive=True)

    def _found(self, charts: Sequence[Chart], window: Window) -> None:
        self._charts, self._is_read = tuple(charts), True
        if window is None and (places := [place for chart in charts for place in chart.places]):
            self._whole = min(places), max(places)
        self._show()

    def on_resize(self) -> None:
        """Show as many charts as there is room for."""
        self._show()

    @property
    def _chart(self) -> Chart | None:
        return self._charts[min(self._chosen, len(self._charts) - 1)] if self._charts else None

    def _in_view(self) -> Sequence[Chart]:
        """Return the charts that there is room for, the chosen one among them."""
        room = 1 if self._is_zoomed else max(1, min(_MOST_CHARTS, (self.size.height - _BESIDE_ROWS) // _LEAST_ROWS))
        first = max(0, min(self._chosen - room // 2, len(self._charts) - room))
        return self._charts[first : first + room]

    def _show(self) -> None:
        if not self.is_mounted:
            return
        charts = self._in_view()
        for index, pane in enumerate(self.query(LineChart)):
            pane.display = index < (len(charts) if self._is_read else 1)
            if index >= len(charts):
                pane.set_series(())
                continue
            chart = charts[index]
            pane.set_class(chart is self._chart and len(self._charts) > 1, "-chosen")
            pane.border_title = Content(clean(chart.title))
            pane.border_subtitle = self._scale_words(chart)
            pane.set_titles(x=chart.x_title, y=chart.y_title)
            pane.view = msgspec.structs.replace(self._view_of(chart), cursor=self._cursor, x_range=self._window)
            pane.set_series(chart.within(self._window).series)
        self._show_state()

    def _scale_words(self, chart: Chart) -> str:
        scale = self._scales.get(chart.title, 0)
        words = (_SCALES[scale] if scale else "", "log" if self._view_of(chart).is_log else "")
        return ", ".join(filter(None, words))

    def _show_state(self) -> None:
        if not self._is_read:
            return
        if not self._charts:
            self._tell("There is nothing to draw yet.", "muted")
            return
        where = "newest values"
        if self._cursor is not None:
            where = f"{self._chart.x_title if self._chart else ''} {self._cursor:g}"
        part = ""
        if self._window is not None:
            low, high = self._window
            part = f"  {self._chart.x_title if self._chart else ''} {low:,.0f} to {high:,.0f}"
        self._tell(f"{where}  chart {min(self._chosen, len(self._charts) - 1) + 1} of {len(self._charts)}{part}", "")
        self.hint(key_line(("Esc", "closes"), *_KEYS))

    def _tell(self, text: str, tone: str) -> None:
        self.query_one("#chart-state", Caption).show([Line(((text, tone),))])

    def action_move(self, n: int) -> None:
        """Move the cursor from value to value, in all charts; at the end of a part the next part comes."""
        places = sorted({place for chart in self._in_view() for place in chart.within(self._window).places})
        if not places:
            return
        if self._cursor is None:
            here = len(places) - 1 - (n > 0)
        else:
            cursor = self._cursor
            here = min(range(len(places)), key=lambda index: abs(places[index] - cursor))
        self._cursor = places[max(0, min(len(places) - 1, here + n))]
        if self._window is not None and not 0 <= here + n < len(places):
            low, high = self._window
            self._look_at((low + high) / 2 + math.copysign((high - low) / 2, n), high - low)
        self._show()

    def action_newest(self) -> None:
        """Remove the cursor: the legends show the newest values again."""
        self._cursor = None
        if self._window is not None and self._whole is not None:
            self._look_at(self._whole[1], self._window[1] - self._window[0])
        self._show()

    def action_closer(self) -> None:
        """Look at a fourth of the axis, around the cursor or at the newest values, at its own resolution."""
        if (now := self._window or self._whole) is None or self._whole is None:
            return
        is_steps = self._chart is not None and self._chart.x_title != "minutes"
        least = _LEAST_STEPS if is_steps else (self._whole[1] - self._whole[0]) / _CLOSER**2
        self._look_at(now[1] if self._cursor is None else self._cursor, max(least, (now[1] - now[0]) / _CLOSER))

    def action_farther(self) -> None:
        """Look at four times as much of the axis."""
        if self._window is not None:
            low, high = self._window
            self._look_at((low + high) / 2 if self._cursor is None else self._cursor, (high - low) * _CLOSER)

    def _look_at(self, middle: float, width: float) -> None:
        """Read a part of the axis anew; a part as wide as the whole is the whole."""
        if self._whole is None:
            return
        first, last = self._whole
        low = max(first, min(last - width, middle - width / 2))
        self._window = None if width >= last - first else (low, low + width)
        self._show()
        self._read()

    def action_choose(self, n: int) -> None:
        """Choose another chart: scales apply to it."""
        if self._charts:
            self._chosen = max(0, min(len(self._charts) - 1, self._chosen + n))
            self._show()

    def action_zoom(self) -> None:
        """Show the chosen chart alone, or all charts again."""
        self._is_zoomed = not self._is_zoomed
        self._show()

    def action_scale(self) -> None:
        """Let the values decide the range, or include zero, or keep the present range."""
        if (chart := self._chart) is None:
            return
        is_log, scale = self._view_of(chart).is_log, (self._scales.get(chart.title, 0) + 1) % len(_SCALES)
        if is_log and _SCALES[scale] == "from zero":  # a logarithmic axis has no zero
            scale = (scale + 1) % len(_SCALES)
        self._scales[chart.title] = scale
        view = ChartView(from_zero=_SCALES[scale] == "from zero", is_log=is_log)
        if _SCALES[scale] == "fixed":
            view = msgspec.structs.replace(view, y_range=y_range(chart.series, view))
        self._views[chart.title] = view
        self._show()

    def action_log(self) -> None:
        """Make the vertical axis logarithmic, or linear again."""
        if (chart := self._chart) is not None:
            self._scales[chart.title] = 0
            self._views[chart.title] = ChartView(is_log=not self._view_of(chart).is_log)
            self._show()

    def _view_of(self, chart: Chart) -> ChartView:
        return self._views.get(chart.title, AUTOMATIC)

    def action_copy(self) -> None:
        """Copy the values of the chosen chart, a line for each, separated by tabs."""
        if (chart := self._chart) is not None:
            lines = [f"{series.name}\t{x:g}\t{y!r}" for series in chart.series for x, y in series.points]
            self.context.copy("\n".join(lines))
