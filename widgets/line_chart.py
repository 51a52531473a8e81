"""A chart of a few series for any pane."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from widgets.chart import AUTOMATIC, ChartView, Series, draw_chart
from widgets.line import Line
from widgets.painted import Painted
from widgets.plane import PlanePoint


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
        before, self._series = self._series, tuple(series)
        if not _are_alike(before, self._series):
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


def _are_alike(before: Sequence[Series], now: Sequence[Series]) -> bool:
    """Whether two drawings are the same: a gap is alike any other, though no number."""
    if before == now:
        return True
    return len(before) == len(now) and all(
        replace(old, points=()) == replace(new, points=())
        and len(old.points) == len(new.points)
        and all(map(_is_alike, old.points, new.points))
        for old, new in zip(before, now, strict=True)
    )


def _is_alike(old: PlanePoint, new: PlanePoint) -> bool:
    return old == new or (old[0] == new[0] and math.isnan(old[1]) and math.isnan(new[1]))
