"""Verdicts on what has moved and on how well a version does, each with a glyph, its word and a tone."""

from core.monitoring.documents import MonitoredColumn
from core.monitoring.verdicts import DriftVerdict, PerformanceVerdict
from widgets.glyphs import Glyphs
from widgets.rows import Cell

_TONES = {DriftVerdict.STABLE: "good", DriftVerdict.WATCH: "warn", DriftVerdict.ALARM: "bad"}
_BRIEF = {DriftVerdict.INCONCLUSIVE: "open"}
_RANKS = {verdict: rank for rank, verdict in enumerate(DriftVerdict)}


def verdict_cell(verdict: DriftVerdict, glyphs: Glyphs, *, of: str = "") -> Cell:
    """Draw a verdict; `of` says of how many columns.

    >>> from widgets.glyphs import UNICODE
    >>> verdict_cell(DriftVerdict.ALARM, UNICODE, of=" 3/25").text
    '✗ alarm 3/25'
    """
    glyph = {
        DriftVerdict.STABLE: glyphs.passed,
        DriftVerdict.WATCH: glyphs.warned,
        DriftVerdict.ALARM: glyphs.failed,
    }.get(verdict, glyphs.hollow)
    brief = f"{glyph} {_BRIEF[verdict]}" if verdict in _BRIEF else ""
    return Cell(f"{glyph} {verdict}{of}", _TONES.get(verdict, "muted"), str(verdict), _RANKS[verdict], brief=brief)


def column_cell(column: MonitoredColumn, glyphs: Glyphs) -> Cell:
    """Draw the verdict on a column; a column without rows has none."""
    if column.awaits_rows:
        return Cell(f"{glyphs.hollow} no rows", "muted", str(column.verdict), -1, brief=f"{glyphs.hollow} none")
    return verdict_cell(column.verdict, glyphs)


def performance_cell(verdict: PerformanceVerdict, glyphs: Glyphs) -> Cell:
    """Draw a verdict on performance.

    >>> from widgets.glyphs import UNICODE
    >>> performance_cell(PerformanceVerdict.FELL, UNICODE).text
    '✗ fell'
    """
    glyph, tone = {
        PerformanceVerdict.HOLDS: (glyphs.passed, "good"),
        PerformanceVerdict.FELL: (glyphs.failed, "bad"),
    }.get(verdict, (glyphs.hollow, "muted"))
    return Cell(f"{glyph} {verdict}", tone, str(verdict), list(PerformanceVerdict).index(verdict))
