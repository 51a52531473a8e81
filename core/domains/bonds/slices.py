"""The slices of a bond panel for reports: a model that is good overall may be bad for one sector."""

from collections.abc import Mapping

import pandas as pd

from core.domains.bonds.data import calibration as cal

MATURITY_EDGES = (0.0, 1.0, 3.0, 5.0, 7.0, 10.0, float("inf"))
"""Years; the usual buckets of bond indices."""
MATURITY_BUCKETS = ("0-1y", "1-3y", "3-5y", "5-7y", "7-10y", "10y+")


def bond_slices(bonds: pd.DataFrame) -> Mapping[str, "pd.Series[str]"]:
    """Return the sector, the rating (its letter), the maturity bucket and the region of each row."""
    low = str(cal.LETTERS.value[-1])
    letter = bonds["rating"].astype(object).map(lambda grade: grade.rstrip("+-"), na_action="ignore")
    return {
        "sector": bonds["sector"],
        "rating": letter.where(~letter.isin(("CCC", "CC", "C")), low),
        "maturity": pd.cut(bonds["maturity_years"], MATURITY_EDGES, right=False, labels=MATURITY_BUCKETS),
        "region": bonds["region"],
    }
