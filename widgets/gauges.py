"""Gauges: a few shares, each with its bar, its value and its recent past."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.bars import bar, sparkline
from widgets.gauge import Gauge
from widgets.line import Line, Span, clean, fit
from widgets.painted import Painted


class GaugeList(Painted):
    """Gauges below each other, their columns in line."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._gauges: tuple[Gauge, ...] = ()

    def set_gauges(self, gauges: Sequence[Gauge]) -> None:
        """Show these gauges; only cells that changed are sent."""
        self._gauges = tuple(gauges)
        self.resize_to_content()

    def n_lines(self, width: int) -> int:
        """Return the height: one line per gauge."""
        return max(1, len(self._gauges))

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw every gauge; in little room the sparkline is dropped first, then the bar."""
        label_width = max((len(gauge.label) for gauge in self._gauges), default=0)
        value_width = max((len(gauge.value) for gauge in self._gauges), default=0)
        room = width - label_width - value_width - 5
        spark_width = min(40, room // 3) if room >= 30 and any(gauge.history for gauge in self._gauges) else 0
        bar_width = max(0, room - spark_width - (2 if spark_width else 0))
        return [self._line(gauge, label_width, bar_width, value_width, spark_width) for gauge in self._gauges]

    def _line(self, gauge: Gauge, label_width: int, bar_width: int, value_width: int, spark_width: int) -> Line:
        glyphs, tone = self.glyphs, gauge.tone
        over = {"warn": glyphs.warned, "bad": glyphs.failed}.get(tone, " ")
        spans: list[Span] = [(fit(clean(gauge.label), label_width) + " ", "muted")]
        if bar_width >= 4:
            spans += [(" ", ""), *bar(gauge.share, bar_width, tone=tone, glyphs=glyphs)]
        value_tone = "" if tone == "accent" else tone
        spans += [(" ", ""), (fit(clean(gauge.value), value_width, align="right"), value_tone), (f" {over}", tone)]
        if spark_width:
            line = sparkline(gauge.history, spark_width, low=0.0, high=1.0, glyphs=glyphs)
            spans += [(" ", ""), (line, "muted")]
        return Line(tuple(spans))
