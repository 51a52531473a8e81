"""A side-by-side comparison with marked differences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec

from widgets.live_table import Cell, Column, LiveTable, Row


class Difference(msgspec.Struct, frozen=True):
    """One line of a comparison; None stands for a missing value."""

    name: str
    left: str | None
    right: str | None
    delta: str = ""
    """The difference in words, if any."""
    better: bool | None = None
    """Whether the right side is better; None where neither can be."""
    section: str = ""
    """Its section; the rows of a section stand below the section's name."""

    @property
    def changed(self) -> bool:
        """Whether the sides differ."""
        return self.left != self.right


class DiffView(LiveTable):
    """Rows of name, left and right; ± marks a changed row, + an added row, - a removed row."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(_columns("left", "right"), empty="Nothing to compare yet.", id=id, classes=classes)

    def set_diff(self, left: str, right: str, differences: Sequence[Difference], *, only_changed: bool = False) -> None:
        """Show a comparison.

        Args:
            left: The name of the left side.
            right: The name of the right side.
            differences: The compared values, one row per name.
            only_changed: Leave out rows that are equal on both sides.
        """
        self.set_columns(_columns(left, right))
        shown = [item for item in differences if item.changed or not only_changed]
        alike = "The two do not differ." if differences else "Nothing to compare yet."
        if self.empty != alike:
            self.empty = alike
        rows: list[Row] = []
        for section, items in groupby(shown, lambda item: item.section):
            if section:
                rows.append(Row(section, (Cell(" "), Cell(section, "title"), *[Cell("")] * 3)))
            rows += [self._row(item) for item in items]
        self.set_rows(rows)

    def _row(self, item: Difference) -> Row:
        glyphs = self.glyphs
        if not item.changed:
            sign, tone = " ", "muted"
        elif item.left is None:
            sign, tone = glyphs.added, "accent"
        elif item.right is None:
            sign, tone = glyphs.removed, "accent"
        else:
            sign, tone = glyphs.changed, "accent"
        verdict = {True: ("good", " better"), False: ("bad", " worse"), None: ("muted", "")}
        delta_tone, word = verdict[item.better if item.changed else None]
        cells = (
            Cell(sign, tone),
            Cell(item.name, "strong" if item.changed else "muted"),
            Cell("" if item.left is None else item.left, "muted" if not item.changed else ""),
            Cell("" if item.right is None else item.right, "muted" if not item.changed else "strong"),
            Cell(item.delta + word if item.delta else word.strip(), delta_tone),
        )
        return Row(f"{item.section}.{item.name}", cells)


def _columns(left: str, right: str) -> tuple[Column, ...]:
    return (
        Column("sign", "", 1),
        Column("name", "", 20, flex=2, max_width=36, cut="middle"),
        Column("left", left, 10, flex=2, max_width=40),
        Column("right", right, 10, flex=2, max_width=40),
        Column("delta", "DIFFERENCE", 17, flex=1, max_width=24, priority=1),
    )
