"""A chart of a few series for any pane."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.chart import AUTOMATIC, ChartView, Series, draw_chart
from widgets.line import Line
from widgets.painted import Painted


class LineChart(Painted):
    """A chart in text; only cells that changed are sent."""

    def __init__(
        self,
        *,
        x_title: str = "",
        y_title: str = "",
        view: ChartView = AUTOMATIC,
        empty: str = "No data yet.",
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._x_title, self._y_title, self._empty = x_title, y_title, empty
        self._series: tuple[Series, ...] = ()
        self._view = view

    @property
    def view(self) -> ChartView:
        """The scale of the vertical axis, and the cursor."""
        return self._view

    @view.setter
    def view(self, view: ChartView) -> None:
        if view != self._view:
            self._view = view
            self.repaint()

    def set_titles(self, *, x: str, y: str) -> None:
        """Name the axes."""
        if (x, y) != (self._x_title, self._y_title):
            self._x_title, self._y_title = x, y
            self.repaint()

    def set_series(self, series: Sequence[Series]) -> None:
        """Show these series."""
        if tuple(series) != self._series:
            self._series = tuple(series)
            self.repaint()

    def n_lines(self, width: int) -> int:
        """Return a pleasant height, for style sheets that set none."""
        return 10

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the chart into the pane."""
        return draw_chart(
            self._series,
            width,
            height,
            x_title=self._x_title,
            y_title=self._y_title,
            empty=self._empty,
            glyphs=self.glyphs,
            view=self._view,
        )
