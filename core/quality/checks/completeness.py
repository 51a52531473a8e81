"""Filled and empty cells."""

from collections.abc import Callable, Sequence

import numpy as np

from core import intervals
from core.quality.cells import Cells
from core.quality.check import Measurement, UnreadableError
from core.quality.checks.proof import share_bound

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
            most = 100 - share_bound(n_cells - int(n_filled.sum()), n_cells)
            return Measurement(value, n_cells, n_filled < len(names), bound=most, samples="cells")
        lacking = sorted(((share, name) for name, share in empty_shares.items() if share > 0), key=lambda it: -it[0])
        told = tuple(f"{name} {share:.0%} empty" for share, name in lacking[:COLUMNS_TOLD])
        reason, n_lacking = ", ".join(told), len(lacking)
        return Measurement(value, n_cells, reason=reason, culprits=told, n_culprits=n_lacking, samples="cells")

    return measure


def missing_share(name: str, *, group: str = "") -> Callable[[Cells], Measurement]:
    """Measure the share of rows without a number in a column, in %.

    Args:
        name: The column.
        group: The column whose rows lack it together, such as the issuer: the error bar counts groups.
    """

    def measure(cells: Cells) -> Measurement:
        empty = np.isnan(cells.numbers(name, may_be_empty=True))
        bound = share_bound(int(empty.sum()), cells.n_rows)
        try:
            together = intervals.share_interval(empty, cells.labels(group).codes) if group else None
        except UnreadableError:
            together = None  # reported by the check of identifiers
        if together is not None:
            bound = min(bound, 100 * together.low)
        return Measurement(100 * float(empty.mean()), cells.n_rows, empty, bound=bound)

    return measure


def emptiest_column(names: Sequence[str], *, gross: float) -> Callable[[Cells], Measurement]:
    """Measure the share of empty cells of the emptiest column, in %: one lost column hides in a mean over many.

    Args:
        names: The columns; a missing one counts as empty.
        gross: The share, in %, from which on the breach is gross.
    """

    def measure(cells: Cells) -> Measurement:
        empty = {name: 1.0 - float(cells.is_filled(name).mean()) if cells.has(name) else 1.0 for name in names}
        lacking = sorted(((share, name) for name, share in empty.items() if share > 0), key=lambda it: -it[0])
        told = tuple(f"{name} {share:.0%} empty" for share, name in lacking[:COLUMNS_TOLD])
        value = 100 * lacking[0][0] if lacking else 0.0
        reason = ", ".join(told) or "every column is filled"
        return Measurement(value, cells.n_rows, reason=reason, culprits=told, is_gross=value >= gross)

    return measure


def rows_without(names: Sequence[str], *, what: str) -> Callable[[Cells], Measurement]:
    """Count the rows in which one of some columns is empty.

    Args:
        names: The columns; a missing one counts as empty.
        what: The word for these columns, in the plural.
    """

    def measure(cells: Cells) -> Measurement:
        lacking = np.zeros(cells.n_rows, dtype=np.bool_)
        culprits = []
        for name in names:
            empty = ~cells.is_filled(name) if cells.has(name) else np.ones(cells.n_rows, dtype=np.bool_)
            if empty.any():
                culprits.append(f"{name} in {int(empty.sum())} rows")
                lacking |= empty
        reason = f"missing {what}: {', '.join(culprits)}" if culprits else f"no missing {what}"
        return Measurement(float(lacking.sum()), cells.n_rows, lacking, reason)

    return measure
