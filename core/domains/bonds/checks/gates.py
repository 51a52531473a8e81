"""The five gates a bond panel must pass before a model may learn from it."""

import numpy as np

from core.domains.bonds.checks.dates import impossible_maturities
from core.domains.bonds.data.columns import required
from core.quality.cells import Cells, UnreadableError
from core.quality.check import Check, Measurement


def coverage(cells: Cells) -> Measurement:
    """Measure the share of required cells that hold a value, in %.

    A required column that is not there at all fails the gate, however full the others are.
    """
    names = required()
    if missing := [name for name in names if not cells.has(name)]:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise UnreadableError(f"required columns are missing: {shown}")
    n_filled = np.zeros(cells.n_rows, dtype=np.int64)
    for name in names:
        n_filled += cells.is_filled(name)
    n_cells = cells.n_rows * len(names)
    return Measurement(100 * int(n_filled.sum()) / n_cells, n_cells, n_filled < len(names))


def esg_missing(cells: Cells) -> Measurement:
    """Measure the share of rows without an ESG score, in %."""
    empty = np.isnan(cells.numbers("esg_score", may_be_empty=True))
    return Measurement(100 * float(empty.mean()), cells.n_rows, empty)


def liquidity_index_median(cells: Cells) -> Measurement:
    """Measure the median liquidity index, 0-100."""
    index = cells.numbers("liquidity_index")
    return Measurement(float(np.nanmedian(index)), int((~np.isnan(index)).sum()))


def negative_spreads(cells: Cells) -> Measurement:
    """Measure the share of spreads below zero, in %."""
    spread = cells.numbers("spread_bps")
    n_seen, negative = int((~np.isnan(spread)).sum()), spread < 0
    return Measurement(100 * int(negative.sum()) / n_seen, n_seen, negative)


def maturity_anomalies(cells: Cells) -> Measurement:
    """Measure the share of maturities that cannot be, in %."""
    impossible, known = impossible_maturities(cells)
    return Measurement(100 * int(impossible.sum()) / int(known.sum()), int(known.sum()), impossible)


GATES = (
    Check("coverage", coverage, ">=", lambda s: s.coverage_min, "%", blocking=True),
    Check("esg_missing", esg_missing, "<=", lambda s: s.esg_missing_max, "%", blocking=True),
    Check(
        "liquidity_index_median", liquidity_index_median, ">=", lambda s: s.liquidity_index_median_min, blocking=True
    ),
    Check("negative_spreads", negative_spreads, "<=", lambda s: s.negative_spreads_max, "%", blocking=True),
    Check("maturity_anomalies", maturity_anomalies, "<=", lambda s: s.maturity_anomalies_max, "%", blocking=True),
)
