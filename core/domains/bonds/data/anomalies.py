"""Faults injected into a panel on purpose, in a fixed number rather than by chance, after saving a clean copy."""

from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, DateArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.macro import MONTHS
from core.domains.bonds.data.ratings import N_LIVE
from core.domains.bonds.data.settings import PanelSettings

ANOMALY_TYPES = ("none", *cal.ANOMALY_SHARES.value, "maturity_error")
"""Codes of `anomaly_type`; 0 is a clean row."""


def counts(settings: PanelSettings) -> dict[str, int]:
    """Return how many rows of each kind of anomaly a panel has; the counts depend only on the settings.

    >>> counts(PanelSettings(n_rows=10_000))["maturity_error"]
    5
    """
    n_maturity = int(settings.maturity_error_rate * settings.n_rows)
    n_other = max(round(settings.anomaly_share * settings.n_rows) - n_maturity, 0)
    edges = np.rint(np.cumsum(list(cal.ANOMALY_SHARES.value.values())) * n_other).astype(int)
    split = np.diff(edges, prepend=0).tolist()
    return {**dict(zip(cal.ANOMALY_SHARES.value, split, strict=True)), "maturity_error": n_maturity}


@dataclass(frozen=True, slots=True)
class Shown:
    """The columns that faults may change, as shown in the panel; every array has shape (n,)."""

    kind: IntArray
    spread: FloatArray
    notch: IntArray
    maturity_date: DateArray


def inject(
    rng: np.random.Generator,
    n_of_kind: dict[str, int],
    *,
    spread: FloatArray,
    notch: IntArray,
    as_of: DateArray,
    issue_date: DateArray,
    maturity_date: DateArray,
    follows_itself: BoolArray,
) -> Shown:
    """Inject every fault except duplicates, at most one per row.

    Args:
        rng: Draws the rows, and the size of the faults.
        n_of_kind: Rows wanted of each kind, as `counts` gives them.
        spread: Clean spreads, bp, shape (n,).
        notch: Clean ratings.
        as_of: Date of each observation.
        issue_date: Clean issue dates.
        maturity_date: Clean maturities.
        follows_itself: Where the previous row is the same bond a year earlier.
    Returns:
        The changed columns. Where no bond has a price of last year left, an off-market price is shown.
    """
    n = len(spread)
    kind = np.zeros(n, dtype=np.int64)
    order = rng.permutation(n)
    stale = order[follows_itself[order]][: n_of_kind["stale_price"]]
    kind[stale] = ANOMALY_TYPES.index("stale_price")
    sound = order[kind[order] == 0]
    wanted = {name: n_of_kind[name] for name in ("maturity_error", "off_market", "unit_error", "rating_typo")}
    wanted["off_market"] += n_of_kind["stale_price"] - len(stale)
    start = 0
    for name, count in wanted.items():
        kind[sound[start : start + count]] = ANOMALY_TYPES.index(name)
        start += count

    shown_spread, shown_notch, shown_maturity = spread.copy(), notch.copy(), maturity_date.copy()
    shown_spread[stale] = spread[stale - 1]
    rows = np.flatnonzero(kind == ANOMALY_TYPES.index("off_market"))
    shown_spread[rows] *= np.exp(_either_sign(rng, len(rows)) * rng.uniform(*cal.OFF_MARKET_SHIFT.value, len(rows)))
    rows = np.flatnonzero(kind == ANOMALY_TYPES.index("unit_error"))
    shown_spread[rows] *= cal.UNIT_ERROR_FACTOR.value ** _either_sign(rng, len(rows))
    rows = np.flatnonzero(kind == ANOMALY_TYPES.index("rating_typo"))
    shown_notch[rows] = _mistyped(rng, notch[rows])
    rows = np.flatnonzero(kind == ANOMALY_TYPES.index("maturity_error"))
    shown_maturity[rows] = _impossible_maturity(as_of[rows], issue_date[rows])
    return Shown(kind, shown_spread, shown_notch, shown_maturity)


def _either_sign(rng: np.random.Generator, n: int) -> FloatArray:
    return np.where(rng.random(n) < 0.5, -1.0, 1.0)


def _mistyped(rng: np.random.Generator, notch: IntArray) -> IntArray:
    """Move ratings by a few notches, in the other direction at the end of the scale."""
    nearest, farthest = cal.RATING_TYPO_NOTCHES.value
    step = rng.integers(nearest, farthest + 1, len(notch)) * _either_sign(rng, len(notch)).astype(np.int64)
    off_scale = (notch + step < 0) | (notch + step >= N_LIVE)
    return notch + np.where(off_scale, -step, step)


def _impossible_maturity(as_of: DateArray, issue_date: DateArray) -> DateArray:
    """Return impossible maturities, of three kinds in turn: already past, a century away, before issue."""
    days, years = cal.MATURITY_ERROR_DAYS.value, cal.MATURITY_ERROR_YEARS.value
    too_long = (as_of.astype("datetime64[M]") + MONTHS * years).astype("datetime64[D]")
    choices = np.stack((as_of - days, too_long, issue_date - days))
    return choices[np.arange(len(as_of)) % len(choices), np.arange(len(as_of))]


def empty_cells(rng: np.random.Generator, n_rows: int, n_required: int, can_lack: int, rate: float) -> BoolArray:
    """Choose cells to leave empty, so that exactly `rate` of all required cells are empty.

    Args:
        rng: Draws the cells.
        n_rows: Rows of the panel.
        n_required: Columns that should be filled.
        can_lack: The required columns that may have gaps.
        rate: Wanted share of empty cells among all required cells.
    Returns:
        Shape (can_lack, n_rows), true where the cell is to be empty.
    """
    wanted = min(round(rate * n_rows * n_required), n_rows * can_lack)
    empty = np.zeros(n_rows * can_lack, dtype=np.bool_)
    empty[rng.choice(len(empty), size=wanted, replace=False, shuffle=False)] = True
    return empty.reshape(can_lack, n_rows)
