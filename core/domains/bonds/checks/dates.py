"""Dates of a bond: which maturities cannot be, and which dates are out of order."""

import numpy as np

from core.quality.cells import BoolArray, Cells, UnreadableError
from core.quality.check import Check, Measurement, fixed

LONGEST_MATURITY = np.timedelta64(36_525, "D")  # 100 years


def impossible_maturities(cells: Cells) -> tuple[BoolArray, BoolArray]:
    """Find maturities on or before the observation, more than 100 years after it, or before issue.

    Returns:
        Which rows are impossible, and in which rows the maturity could be judged at all.
    Raises:
        UnreadableError: A date column is missing or unreadable, or no row has both maturity and observation.
    """
    as_of, issued, matures = (cells.dates(name) for name in ("as_of_date", "issue_date", "maturity_date"))
    known = ~np.isnat(as_of) & ~np.isnat(matures)
    if not known.any():
        raise UnreadableError("no row has both an observation date and a maturity")
    impossible = (matures <= as_of) | (matures - as_of > LONGEST_MATURITY) | (matures < issued)
    return impossible & known, known


def date_order(cells: Cells) -> Measurement:
    """Count the rows in which issue, observation and maturity do not follow one another."""
    as_of, issued, matures = (cells.dates(name) for name in ("as_of_date", "issue_date", "maturity_date"))
    # A comparison with an unknown date is false, so that only known disorder counts.
    disordered = (issued > as_of) | (as_of >= matures) | (issued >= matures)
    return Measurement(float(disordered.sum()), cells.n_rows, disordered)


DATE_ORDER = Check("date_order", date_order, "<=", fixed(0.0), "rows")
