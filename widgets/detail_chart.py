"""A chart for detail views: with zoom and pan where the terminal is wide, as plain text elsewhere.

The plot comes from textual-plot, which imports numpy (126 ms of processor time). It is loaded in a thread when a detail
view is wide enough to use it, and never before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Container
from textual.worker import Worker, WorkerState

from widgets.chart import N_TONES, Series
from widgets.glyphs import glyphs_of
from widgets.line import clean
from widgets.line_chart import LineChart

if TYPE_CHECKING:
    from textual_plot import PlotWidget

LEAST_PLOT_WIDTH = 100
LEAST_PLOT_HEIGHT = 16
N_MARKERS = 8
_LOADING = "load textual-plot"


class DetailChart(Container):
    """One chart in the form that fits: `+` `-` and the arrow keys zoom and pan the wide one."""

    def __init__(
        self,
        *,
        x_title: str = "",
        y_title: str = "",
        empty: str = "No data yet.",
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._x_title, self._y_title, self._empty = x_title, y_title, empty
        self._series: tuple[Series, ...] = ()
        self._plot: PlotWidget | None = None

    def compose(self) -> ComposeResult:
        """Start as text, which needs nothing loaded."""
        yield LineChart(x_title=self._x_title, y_title=self._y_title, empty=self._empty)

    def on_mount(self) -> None:
        """Draw in the new colours when the theme changes."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw_plot())

    def on_resize(self) -> None:
        """Choose the form for the room there is now."""
        self._choose()

    def set_series(self, series: Sequence[Series]) -> None:
        """Show these series; zoom and pan stay as they are."""
        if tuple(series) != self._series:
            self._series = tuple(series)
            self.query_one(LineChart).set_series(self._series)
            self._choose()
            self._draw_plot()

    @property
    def is_plot(self) -> bool:
        """Whether the form with zoom and pan is shown."""
        return self.has_class("-plot")

    def _choose(self) -> None:
        fits = self.size.width >= LEAST_PLOT_WIDTH and self.size.height >= LEAST_PLOT_HEIGHT
        wanted = fits and glyphs_of(self).name == "unicode" and any(item.points for item in self._series)
        if wanted and self._plot is None:
            self.run_worker(_load_plot, name=_LOADING, group=_LOADING, thread=True, exit_on_error=False)
        self.set_class(wanted and self._plot is not None, "-plot")

    async def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Mount the plot once it is loaded; where it cannot be loaded, the text stays."""
        plot_class: type[PlotWidget] | None = event.worker.result
        if event.worker.name != _LOADING or event.state is not WorkerState.SUCCESS or plot_class is None:
            return
        event.stop()
        if self._plot is None:
            self._plot = plot_class()
            await self.mount(self._plot)
            self._plot.set_xlabel(self._x_title)
            self._plot.set_ylabel(self._y_title)
            self._choose()
            self._draw_plot()

    def _draw_plot(self) -> None:
        if self._plot is None or not self._plot.is_mounted:
            return
        from textual_plot import HiResMode

        plot = self._plot
        plot.clear()
        for index, item in enumerate(self._series):
            points = [point for point in item.points if point[1] == point[1]]
            if not points:
                continue
            style = self._colour(item.tone or f"series-{index % N_TONES + 1}")
            plot.plot([x for x, _ in points], [y for _, y in points], line_style=style, hires_mode=HiResMode.BRAILLE)
            marker = glyphs_of(self).markers[index % N_TONES]
            # A few markers along the line tell series apart without colour.
            marked = points[:: max(1, len(points) // N_MARKERS)]
            label = f"{clean(item.name)}  {points[-1][1]:.4g}"
            plot.scatter([x for x, _ in marked], [y for _, y in marked], marker, style, label=label)
        plot.show_legend()

    def _colour(self, tone: str) -> str:
        return self.app.theme_variables[f"tone-{tone}"].removeprefix("ansi_")


def _load_plot() -> Any:
    """Import in a thread and answer with the class, to be made where widgets are made."""
    from textual_plot import PlotWidget

    return PlotWidget
