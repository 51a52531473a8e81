"""One line of progress: a label, a bar, a share, and the estimated end."""

from __future__ import annotations

import math

from widgets.bars import bar
from widgets.line import Line, Span, clean, fit, n_cells
from widgets.painted import Painted

_LEAST_BAR = 8


class ProgressLine(Painted):
    """`epoch 41 of 100  ━━━━━━━─────────  41 %  about 12 min left`."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._label = ""
        self._share: float | None = None
        self._note = ""
        self._tone = "accent"

    def set_progress(self, label: str, share: float | None, note: str = "", *, tone: str = "accent") -> None:
        """Show progress.

        Args:
            label: The subject of the progress.
            share: 0–1; None or NaN if unknown, which shows no percentage rather than a guess.
            note: A note on the end, shown unchanged.
            tone: The tone of the bar: `warn` if paused, `bad` if failed.
        """
        self._label, self._note, self._tone = clean(label), clean(note), tone
        self._share = None if share is None or math.isnan(share) else min(1.0, max(0.0, share))
        self.repaint()

    def n_lines(self, width: int) -> int:
        """Always one line."""
        return 1

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the line; the note goes first when there is little room, then the bar."""
        # Unfinished progress never shows 100 %.
        percent = "" if self._share is None else f"{math.floor(self._share * 100)}%".rjust(4)
        note = f"  {self._note}" if self._note else ""
        rest = n_cells(self._label) + len(percent) + 3
        if width - rest - n_cells(note) < _LEAST_BAR:
            note = ""
        bar_width = width - rest - n_cells(note)
        spans: list[Span] = [(self._label, "")]
        if bar_width >= _LEAST_BAR:
            spans += [("  ", ""), *bar(self._share, bar_width, tone=self._tone, glyphs=self.glyphs), (" ", "")]
        else:
            spans = [(fit(self._label, max(0, width - len(percent) - 1), ellipsis=self.glyphs.ellipsis) + " ", "")]
        spans += [(percent, "strong"), (note, "muted")]
        return [Line(tuple(spans))]
