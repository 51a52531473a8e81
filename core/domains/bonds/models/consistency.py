"""Rows that contradict the rest of the table: they are wrong without any model."""

import numpy as np
import pandas as pd

from core.arrays import BoolArray, FloatArray, IntArray

LONGEST_YEARS = 100.0
CERTAIN = 25.0  # nats of evidence per contradiction


def contradictions(bonds: pd.DataFrame) -> dict[str, BoolArray]:
    """Check each row on its own and against the other rows of the table.

    Returns:
        Per check a mask, shape (n,): `duplicate` (an earlier row under another identifier), `maturity` (past,
        a century away, or before issue) and `stale` (exactly the bond's spread a year before).
    """
    return {"duplicate": _duplicate(bonds), "maturity": _maturity(bonds), "stale": _stale(bonds)}


def contradiction_evidence(bonds: pd.DataFrame) -> FloatArray:
    """Turn contradictions into nats of evidence, shape (n,)."""
    evidence = np.zeros(len(bonds))
    for broken in contradictions(bonds).values():
        evidence += CERTAIN * broken
    return evidence


def _duplicate(bonds: pd.DataFrame) -> BoolArray:
    facts = ["issuer_id", "as_of_date", "issue_date", "maturity_date", "spread_bps"]
    return np.asarray(bonds.duplicated([name for name in facts if name in bonds]))


def _maturity(bonds: pd.DataFrame) -> BoolArray:
    years = bonds["maturity_years"].to_numpy(dtype=np.float64)
    wrong = (years <= 0) | (years > LONGEST_YEARS)
    if "issue_date" in bonds and "maturity_date" in bonds:
        wrong |= np.asarray(bonds["maturity_date"] <= bonds["issue_date"])
    return wrong


def previous_rows(bonds: pd.DataFrame) -> IntArray:
    """Return the position of each row's bond at its last date before, -1 for none."""
    order = (
        bonds[["bond_id", "as_of_date"]].reset_index(drop=True).sort_values(["bond_id", "as_of_date"], kind="stable")
    )
    name = order["bond_id"].to_numpy()
    place = order.index.to_numpy()
    before = np.full(len(bonds), -1, dtype=np.int64)
    before[place[1:]] = np.where(name[1:] == name[:-1], place[:-1], -1)
    return before


def _stale(bonds: pd.DataFrame) -> BoolArray:
    spread, before = bonds["spread_bps"].to_numpy(dtype=np.float64), previous_rows(bonds)
    return np.asarray((before >= 0) & (spread == spread[before]))
