"""Gates with their evidence: verdict, value, threshold, number of samples, reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from widgets.gate import Gate
from widgets.line import n_cells
from widgets.live_table import Cell, Column, LiveTable, Row

_TONES = {"pass": "good", "fail": "bad", "warn": "warn"}


def _columns(gates: Sequence[Gate]) -> tuple[Column, ...]:
    """Give the names the room of the reasons where value and limit say everything; values in words get blank space."""
    longest = max((len(gate.name) for gate in gates), default=0)
    value, limit = _longest(9, (gate.value for gate in gates)), _longest(10, (gate.threshold for gate in gates))
    has_reasons = not gates or any(gate.reason for gate in gates)
    return (
        Column("verdict", "GATE", 6),
        Column("name", "", 12, flex=3, max_width=30, cut="middle")
        if has_reasons
        else Column("name", "", min(max(longest, 12), 30), flex=1, max_width=30, cut="middle"),
        Column("value", "VALUE", 9, flex=3, max_width=value, align="right"),
        Column("threshold", "LIMIT", 10, flex=3, max_width=limit, align="right"),
        Column("n", "N", 7, align="right", priority=2),
        Column("reason", "REASON", 10, flex=2, priority=1) if has_reasons else Column("reason", "", 0, priority=1),
    )


def _longest(least: int, texts: Iterable[str]) -> int:
    """Return the cells of the longest text: blank space beside a column goes to what it would cut."""
    return max((least, *map(n_cells, texts)))


class GateList(LiveTable):
    """One gate per row; ✓, ✗ or ! and the word beside the colour."""

    def __init__(self, *, empty: str = "No gate was judged yet.", id: str | None = None, classes: str | None = None):  # noqa: A002
        super().__init__(_columns(()), empty=empty, id=id, classes=classes)

    def set_gates(self, gates: Sequence[Gate]) -> None:
        """Show these gates in the order given."""
        self.set_columns(_columns(gates))
        glyphs = self.glyphs
        signs = {"pass": glyphs.passed, "fail": glyphs.failed, "warn": glyphs.warned}
        self.set_rows(
            [
                Row(
                    gate.name,
                    (
                        Cell(f"{signs[gate.verdict]} {gate.verdict}", _TONES[gate.verdict]),
                        gate.name,
                        Cell(gate.value, "" if gate.verdict == "pass" else _TONES[gate.verdict]),
                        Cell(gate.threshold, "muted"),
                        Cell(f"{gate.n_samples:,}", "muted"),
                        Cell(gate.reason, "muted"),
                    ),
                )
                for gate in gates
            ]
        )
