"""Rules of the market: what a sector may issue, and that no bond is in the panel twice."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from core.quality.cells import BoolArray, Cells, Labels, UnreadableError
from core.quality.check import Check, Measurement, fixed

PUBLIC_SECTORS = ("sovereign", "supranational_agency")
SPECULATIVE_SECTORS = ("tech_startup", "distressed")
SATELLITE_SECTORS = ("energy", "materials_mining")
FIRST_BELOW_A = 7

# Two rows that agree in all of these are one bond under two names: no two bonds of an issuer share them all.
SAME_BOND = ("issuer_id", "as_of_date", "issue_date", "maturity_date", "ytm_pct", "spread_bps", "clean_price")


def sector_rules(cells: Cells) -> Measurement:
    """Measure the share of rows that break a rule of their sector, in %.

    States and supranationals issue senior unsecured debt only; start-ups and distressed firms are not rated
    A- or better; satellites watch energy and mining only.
    """
    sector = cells.labels("sector")
    broken = {
        "secured or subordinated public debt": _among(sector, PUBLIC_SECTORS)
        & ~_among(cells.labels("seniority"), ("senior_unsecured",), unknown=True),
        "A- or better in a speculative sector": _among(sector, SPECULATIVE_SECTORS)
        & (cells.numbers("rating_num") < FIRST_BELOW_A),
        "satellite data off its sectors": _satellite(cells) & ~_among(sector, SATELLITE_SECTORS, unknown=True),
    }
    either = np.zeros(cells.n_rows, dtype=np.bool_)
    for rows in broken.values():
        either |= rows
    said = [f"{rule}: {int(rows.sum())}" for rule, rows in broken.items() if rows.any()]
    return Measurement(100 * float(either.mean()), cells.n_rows, either, "; ".join(said) or "no rule is broken")


def _among(labels: Labels, names: Iterable[str], *, unknown: bool = False) -> BoolArray:
    """Tell which rows carry one of the names, and answer `unknown` for those that carry none at all."""
    wanted = np.array([*(name in set(names) for name in labels.names), unknown], dtype=np.bool_)
    return wanted[labels.codes]  # a code of -1 reads the last entry


def _satellite(cells: Cells) -> BoolArray:
    try:
        return ~np.isnan(cells.numbers("satellite_activity"))
    except UnreadableError:
        return np.zeros(cells.n_rows, dtype=np.bool_)


def duplicates(cells: Cells) -> Measurement:
    """Count rows that repeat another one: the same bond and date again, or the same bond under another name."""
    n = cells.n_rows
    same_key = _repeats([cells.labels("bond_id").codes, _days(cells, "as_of_date")])
    present = [name for name in SAME_BOND if cells.has(name)]
    if len(present) < len(SAME_BOND):
        return Measurement(float(same_key.sum()), n, same_key)
    same_bond = _repeats([_key(cells, name) for name in SAME_BOND])
    rows = same_key | same_bond
    return Measurement(float(rows.sum()), n, rows)


def _key(cells: Cells, name: str) -> NDArray[np.int64]:
    if name == "issuer_id":
        return cells.labels(name).codes
    if name.endswith("_date"):
        return _days(cells, name)
    return np.unique(cells.numbers(name), return_inverse=True)[1].astype(np.int64)


def _days(cells: Cells, name: str) -> NDArray[np.int64]:
    return cells.dates(name).astype(np.int64)


def _repeats(keys: list[NDArray[np.int64]]) -> BoolArray:
    """Tell which rows repeat an earlier one in every key."""
    order = np.lexsort(keys[::-1])
    same = np.ones(len(order) - 1, dtype=np.bool_)
    for key in keys:
        same &= np.diff(key[order]) == 0
    repeated = np.zeros(len(order), dtype=np.bool_)
    repeated[order[1:]] = same
    return repeated


RULES = (
    Check("sector_rules", sector_rules, "<=", fixed(0.5), "%"),
    Check("duplicates", duplicates, "<=", fixed(0.0), "rows"),
)
