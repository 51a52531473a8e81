"""Rows that contradict the rest of the table: they are wrong without any model."""

import numpy as np
import pandas as pd

from core.arrays import BoolArray, FloatArray

LONGEST_YEARS = 100.0
CERTAIN = 25.0  # nats of evidence per contradiction


def contradictions(bonds: pd.DataFrame) -> dict[str, BoolArray]:
    """Check each row on its own and against the other rows of the table.

    Returns:
        Per check a mask, shape (n,): `duplicate` (an earlier row under another identifier), `maturity` (past,
        a century away, or before issue), `stale` (exactly the bond's spread a year before) and `rating` (not the
        rating that most of the issuer's bonds have on that date).
    """
    return {
        "duplicate": _duplicate(bonds),
        "maturity": _maturity(bonds),
        "stale": _stale(bonds),
        "rating": _rating(bonds),
    }


def contradiction_evidence(bonds: pd.DataFrame) -> FloatArray:
    """Turn contradictions into nats of evidence, shape (n,)."""
    evidence = np.zeros(len(bonds))
    for broken in contradictions(bonds).values():
        evidence += CERTAIN * broken
    return evidence


def _duplicate(bonds: pd.DataFrame) -> BoolArray:
    facts = ["issuer_id", "as_of_date", "issue_date", "maturity_date", "issue_size_musd", "spread_bps"]
    return np.asarray(bonds.duplicated([name for name in facts if name in bonds]))


def _maturity(bonds: pd.DataFrame) -> BoolArray:
    years = bonds["maturity_years"].to_numpy(dtype=np.float64)
    wrong = (years <= 0) | (years > LONGEST_YEARS)
    if "issue_date" in bonds and "maturity_date" in bonds:
        wrong |= np.asarray(bonds["maturity_date"] <= bonds["issue_date"])
    return wrong


def _stale(bonds: pd.DataFrame) -> BoolArray:
    ordered = bonds[["bond_id", "as_of_date", "spread_bps"]].sort_values(["bond_id", "as_of_date"], kind="stable")
    same_bond = ordered["bond_id"].eq(ordered["bond_id"].shift())
    unchanged = ordered["spread_bps"].eq(ordered["spread_bps"].shift())
    return np.asarray((same_bond & unchanged).reindex(bonds.index))


def _rating(bonds: pd.DataFrame) -> BoolArray:
    keys = [bonds["issuer_id"], bonds["as_of_date"]]
    alike = bonds.groupby([*keys, bonds["rating_num"]], observed=True)["rating_num"].transform("size")
    together = bonds.groupby(keys, observed=True)["rating_num"].transform("size")
    return np.asarray((together >= 3) & (2 * alike < together))
