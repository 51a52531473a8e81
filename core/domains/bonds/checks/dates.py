"""Dates of a bond: impossible maturities."""

import numpy as np

from core.quality.cells import Cells
from core.quality.check import Measurement, UnreadableError

LONGEST_MATURITY = np.timedelta64(36_525, "D")  # 100 years


def maturity_anomalies(cells: Cells) -> Measurement:
    """Measure the share of maturities on or before the observation, over 100 years after it, or before issue, in %."""
    as_of, issued, matures = (cells.dates(name) for name in ("as_of_date", "issue_date", "maturity_date"))
    known = ~np.isnat(as_of) & ~np.isnat(matures)
    if not known.any():
        raise UnreadableError("no row has both an observation date and a maturity")
    impossible = (matures <= as_of) | (matures - as_of > LONGEST_MATURITY) | (matures < issued)
    impossible &= known
    return Measurement(100 * int(impossible.sum()) / int(known.sum()), int(known.sum()), impossible)
