"""Bars and sparklines as text: quantities that read at a glance, in Unicode and in ASCII."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise

from widgets.glyphs import UNICODE, Glyphs
from widgets.line import Span


def bar(share: float | None, width: int, *, tone: str = "accent", glyphs: Glyphs = UNICODE) -> tuple[Span, ...]:
    """Draw a share as a bar: a heavy stroke for the share, a thin stroke for the rest.

    Args:
        share: 0–1, clipped; None or NaN (unknown) draws an empty bar.
        width: The cells of the whole bar.
        tone: The tone of the heavy part.
        glyphs: The signs to draw with.

    >>> "".join(text for text, _ in bar(0.5, 8))
    '━━━━────'
    """
    known = 0.0 if share is None or math.isnan(share) else min(1.0, max(0.0, share))
    full = round(known * width)
    # A share above 0 shows, and a share below 1 is not drawn as complete.
    if known > 0:
        full = max(1, full)
    if known < 1:
        full = min(full, width - 1)
    full = max(0, min(full, width))
    spans = ((glyphs.bar_full * full, tone), (glyphs.bar_empty * (width - full), "line"))
    return tuple(span for span in spans if span[0])


def against(
    share: float, mark: float, width: int, *, tone: str = "accent", glyphs: Glyphs = UNICODE
) -> tuple[Span, ...]:
    """Draw a share as a bar, with a mark at the share that it is compared with.

    Args:
        share: 0-1, clipped.
        mark: Where the mark stands, 0-1, clipped.
        width: The cells of the whole bar.
        tone: The tone of the bar.
        glyphs: The signs to draw with.

    >>> "".join(text for text, _ in against(0.25, 0.75, 8))
    '━━   │  '
    """
    full, place = (round(min(1.0, max(0.0, each)) * width) for each in (share, mark))
    at = max(0, min(width, place) - 1)
    cells = [(glyphs.bar_full, tone) if cell < full else (" ", "") for cell in range(width)]
    cells[at] = (glyphs.upright, "strong")
    return tuple(("".join(text for text, _ in run), own) for own, run in groupby(cells, key=lambda cell: cell[1]))


def sparkline(
    values: Sequence[float],
    width: int,
    *,
    low: float | None = None,
    high: float | None = None,
    glyphs: Glyphs = UNICODE,
) -> str:
    """Draw the newest values as one line of levels.

    Args:
        values: Oldest first; NaN and infinities are gaps. More values than cells are averaged in groups.
        width: The cells to fill; fewer values stand at the right end.
        low: The value of the lowest level; the least value by default.
        high: The value of the highest level; the greatest value by default.
        glyphs: The signs to draw with.

    Returns:
        Exactly `width` characters. Equal values are drawn on the middle level.

    >>> sparkline([0, 1, 2, 3], 4), sparkline([5, 5], 4)
    ('▁▃▆█', '  ▄▄')
    """
    if width <= 0:
        return ""
    groups = _groups(values, width)
    finite = [value for value in groups if value is not None]
    if not finite:
        return " " * width
    bottom = min(finite) if low is None else low
    top = max(finite) if high is None else high
    levels = glyphs.levels
    signs = [" " if value is None else _level(value, bottom, top, levels) for value in groups]
    return "".join(signs).rjust(width)


def _level(value: float, bottom: float, top: float, levels: str) -> str:
    if top <= bottom:
        return levels[(len(levels) - 1) // 2]
    place = (value - bottom) / (top - bottom) * (len(levels) - 1)
    return levels[max(0, min(len(levels) - 1, round(place)))]


def _groups(values: Sequence[float], width: int) -> list[float | None]:
    n_values = len(values)
    if n_values <= width:
        return [value if math.isfinite(value) else None for value in values]
    edges = [n_values * index // width for index in range(width + 1)]
    groups: list[float | None] = []
    for start, end in pairwise(edges):
        finite = [value for value in values[start:end] if math.isfinite(value)]
        groups.append(sum(finite) / len(finite) if finite else None)
    return groups
