"""The champion of a model and its challengers, as lines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from widgets.line import Line

if TYPE_CHECKING:
    from core.retraining.leaderboard import LeaderboardEntry
    from widgets.glyphs import Glyphs

NO_LIVE_VERSION = "The model has no live version to compare others with."
_TONES = {"better": "good", "worse": "bad", "open": "muted", "not compared": "muted", "live": "strong"}


def leaderboard_lines(board: "Sequence[LeaderboardEntry]", glyphs: "Glyphs") -> list[Line]:
    """Write out each version: its role and verdict, its performance, and why it stands there.

    Args:
        board: The versions, the best first.
        glyphs: The signs of this terminal.
    """
    if not board:
        return [Line(((NO_LIVE_VERSION, "muted"),))]
    lines: list[Line] = []
    for place, each in enumerate(board, start=1):
        proposed = f"  {glyphs.arrow} proposed" if each.is_proposed else ""
        lines.append(
            Line(
                (
                    (f"{place}  {each.version}  ", "strong"),
                    (f"{each.role}  ", "muted"),
                    ("" if each.verdict == each.role else each.verdict, _TONES[each.verdict]),
                    (proposed, "accent"),
                )
            )
        )
        for word, reading in (("realised", each.realised), ("estimated", each.estimated)):
            if reading is not None:
                lines.append(Line(((f"   {word:<11}", "muted"), (reading.sentence(), ""))))
        lines.append(Line((("   ", ""), (each.reason, "muted"))))
    return lines
