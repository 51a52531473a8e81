"""Filled and empty cells."""

from collections.abc import Callable, Sequence

import numpy as np

from core.quality.cells import Cells
from core.quality.check import Measurement, UnreadableError

COLUMNS_TOLD = 3


def coverage(names: Sequence[str], *, by_column: bool = False) -> Callable[[Cells], Measurement]:
    """Measure the share of filled cells of some columns, in %.

    A missing column fails the check, however full the other columns are.

    Args:
        names: The columns.
        by_column: Name the emptiest columns; by default the rows with an empty cell.
    """

    def measure(cells: Cells) -> Measurement:
        if missing := [name for name in names if not cells.has(name)]:
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            raise UnreadableError(f"required columns are missing: {shown}")
        n_filled = np.zeros(cells.n_rows, dtype=np.int64)
        empty_shares: dict[str, float] = {}
        for name in names:
            is_filled = cells.is_filled(name)
            n_filled += is_filled
            empty_shares[name] = 1 - float(is_filled.mean())
        n_cells = cells.n_rows * len(names)
        value = 100 * int(n_filled.sum()) / n_cells
        if not by_column:
            return Measurement(value, n_cells, n_filled < len(names))
        lacking = sorted(((share, name) for name, share in empty_shares.items() if share > 0), key=lambda it: -it[0])
        told = tuple(f"{name} {share:.0%} empty" for share, name in lacking[:COLUMNS_TOLD])
        return Measurement(value, n_cells, reason=", ".join(told), culprits=told, n_culprits=len(lacking))

    return measure


def missing_share(name: str) -> Callable[[Cells], Measurement]:
    """Measure the share of rows without a number in a column, in %."""

    def measure(cells: Cells) -> Measurement:
        empty = np.isnan(cells.numbers(name, may_be_empty=True))
        return Measurement(100 * float(empty.mean()), cells.n_rows, empty)

    return measure
