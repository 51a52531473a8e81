"""Dates of a bond: impossible maturities, and days that have not come."""

import numpy as np

from core.clock import utc_now
from core.quality.cells import Cells
from core.quality.check import Measurement, UnreadableError
from core.quality.checks.proof import share_bound

LONGEST_MATURITY = np.timedelta64(36_525, "D")  # 100 years
EARLIEST = np.datetime64("1900-01-01", "D")


def maturity_anomalies(cells: Cells) -> Measurement:
    """Measure the share of maturities on or before the observation, over 100 years after it, or before issue, in %."""
    as_of, issued, matures = (cells.dates(name) for name in ("as_of_date", "issue_date", "maturity_date"))
    known = ~np.isnat(as_of) & ~np.isnat(matures)
    if not known.any():
        raise UnreadableError("no row has both an observation date and a maturity")
    impossible = (matures <= as_of) | (matures - as_of > LONGEST_MATURITY) | (matures < issued)
    impossible &= known
    n_impossible, n_known = int(impossible.sum()), int(known.sum())
    bound = share_bound(n_impossible, n_known)
    return Measurement(100 * n_impossible / n_known, n_known, impossible, bound=bound)


def dates_of_history(cells: Cells) -> Measurement:
    """Count the rows observed after today, or before there were panels: only a shifted or mistyped date is.

    A day is allowed for time zones.
    """
    as_of = cells.dates("as_of_date")
    latest = np.datetime64(utc_now().date(), "D") + 1
    outside = (as_of > latest) | (as_of < EARLIEST)  # false for an unknown date
    n_outside = int(outside.sum())
    reason = f"{n_outside} rows are observed after today or before {EARLIEST}" if n_outside else "all dates have passed"
    return Measurement(float(n_outside), cells.n_rows, outside, reason)
