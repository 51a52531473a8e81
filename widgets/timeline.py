"""What happened, newest first: when, who, what."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from widgets.live_table import Cell, Column, LiveTable, Row


class Event(msgspec.Struct, frozen=True):
    """One event in words."""

    key: str
    at: str
    text: str
    who: str = ""
    glyph: str = ""
    """What stands before the text; a dot by default."""
    tone: str = ""


class Timeline(LiveTable):
    """Events below each other, joined by a thin line; new ones arrive on top and the cursor stays on its event."""

    def __init__(self, *, empty: str = "Nothing has happened yet.", id: str | None = None, classes: str | None = None):  # noqa: A002
        super().__init__(_columns(5), empty=empty, show_header=False, id=id, classes=classes)

    def set_events(self, events: Sequence[Event]) -> None:
        """Show these events, newest first."""
        self.set_columns(_columns(max((len(event.at) for event in events), default=5)))
        self.set_rows(
            [
                Row(
                    event.key,
                    (
                        Cell(event.at, "muted"),
                        Cell(event.glyph or self.glyphs.dot, event.tone or "line"),
                        Cell(event.text, event.tone),
                        Cell(event.who, "muted"),
                    ),
                )
                for event in events
            ]
        )


def _columns(at_width: int) -> tuple[Column, ...]:
    return (
        Column("at", "", at_width),
        Column("glyph", "", 1),
        Column("text", "", 20, flex=1),
        Column("who", "", 12, align="right", priority=1),
    )
