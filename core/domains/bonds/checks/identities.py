"""Columns that say the same thing twice: a rating and its notch, dates and years, yields, spreads and prices."""

from collections.abc import Callable

import numpy as np

from core.arrays import BoolArray, DateArray, FloatArray, IntArray
from core.domains.bonds.data.panel import CATEGORIES
from core.quality.cells import Cells
from core.quality.check import Measurement, UnreadableError

DAYS_PER_YEAR = 365.25
YEARS_OFF = 0.1  # conventions of counting days differ by less
YIELD_OFF_BPS = 25.0  # spreads over different benchmark curves differ by less,
SPREAD_OFF = 0.1  # or by less than this share of the spread
PRICE_OFF = 1.0  # % of par within which coupon and yield do not decide on which side of par the price lies


def rating_agrees(cells: Cells) -> Measurement:
    """Measure the share of rows whose rating is not that of their notch, in %."""
    codes, names = cells.labels("rating")
    scale = {name: notch for notch, name in enumerate(CATEGORIES["rating"])}
    spelled = np.array([*(scale.get(name, np.nan) for name in names), np.nan], dtype=np.float64)[codes]
    return _disagreement(spelled - cells.numbers("rating_num"), lambda apart: apart != 0, "rating and rating_num")


def years_agree(cells: Cells) -> Measurement:
    """Measure the share of rows whose years to maturity or since issue are not those of their dates, in %."""
    as_of, issued, matures = (cells.dates(name) for name in ("as_of_date", "issue_date", "maturity_date"))
    apart = np.maximum(
        np.abs(_years(as_of, matures) - cells.numbers("maturity_years")),
        np.abs(_years(issued, as_of) - cells.numbers("age_years")),
    )
    return _disagreement(apart, lambda years: years > YEARS_OFF, "years and dates")


def spread_is_yield_over_base(cells: Cells) -> Measurement:
    """Measure the share of rows whose spread is not their yield less the base yield, in %."""
    spread = cells.numbers("spread_bps")
    apart = np.abs(100 * (cells.numbers("ytm_pct") - cells.numbers("base_yield_pct")) - spread)
    allowed = YIELD_OFF_BPS + SPREAD_OFF * np.abs(spread)
    return _disagreement(apart - allowed, lambda beyond: beyond > 0, "spread and yields")


def price_follows_yield(cells: Cells) -> Measurement:
    """Measure the share of rows priced above par though their coupon is below their yield, or the reverse, in %."""
    price, coupon, yielded = (cells.numbers(name) for name in ("clean_price", "coupon_pct", "ytm_pct"))
    gain, rate = price - 100.0, coupon - yielded
    is_clear = np.abs(gain) > PRICE_OFF
    apart = np.where(is_clear, -gain * rate, 0.0)
    return _disagreement(apart + 0 * rate, lambda product: product > 0, "price and yield")


def duration_within_maturity(cells: Cells) -> Measurement:
    """Measure the share of rows whose modified duration exceeds their years to maturity, in %."""
    apart = cells.numbers("mod_duration") - cells.numbers("maturity_years")
    return _disagreement(apart, lambda years: years > YEARS_OFF, "duration and maturity")


def issuers_agree(cells: Cells) -> Measurement:
    """Measure the share of rows whose issuer has another sector or country elsewhere, or whose bond another issuer.

    One issuer for all bonds would leave every relation between issuers unjudged.
    """
    issuer, names = cells.labels("issuer_id")
    known, apart = issuer >= 0, np.zeros(cells.n_rows, dtype=np.bool_)
    for name in ("sector", "country"):
        value = cells.labels(name).codes
        apart |= _unlike_most(issuer, value, known & (value >= 0))
    bond = cells.labels("bond_id").codes
    apart |= _unlike_most(bond, issuer, known & (bond >= 0))
    n_known, n_apart = int(known.sum()), int(apart.sum())
    reason = f"{n_apart} of {n_known} rows have an issuer of another sector, country or bond" if n_apart else ""
    reason = reason or f"each of {len(names)} issuers has one sector and one country"
    return Measurement(100 * n_apart / n_known, n_known, apart, reason)


def _unlike_most(thing: IntArray, value: IntArray, known: BoolArray) -> BoolArray:
    """Return which rows have another value than most rows of the same thing."""
    apart = np.zeros(len(thing), dtype=np.bool_)
    if not known.any():
        return apart
    pairs, inverse, count = np.unique(
        np.stack((thing[known], value[known])), axis=1, return_inverse=True, return_counts=True
    )
    order = np.lexsort((-count, pairs[0]))
    first = order[np.concatenate(([True], np.diff(pairs[0][order]) != 0))]
    is_most = np.zeros(len(count), dtype=np.bool_)
    is_most[first] = True
    apart[known] = ~is_most[inverse.reshape(-1)]
    return apart


def _disagreement(apart: FloatArray, differs: Callable[[FloatArray], BoolArray], what: str) -> Measurement:
    known = ~np.isnan(apart)
    n_known = int(known.sum())
    if not n_known:
        raise UnreadableError(f"no row has both {what}")
    wrong = known & differs(np.where(known, apart, 0.0))
    n_wrong = int(wrong.sum())
    reason = f"{what} disagree in {n_wrong} of {n_known} rows" if n_wrong else f"{what} agree"
    return Measurement(100 * n_wrong / n_known, n_known, wrong, reason)


def _years(begin: DateArray, end: DateArray) -> FloatArray:
    days = (end - begin).astype("timedelta64[D]")
    years: FloatArray = np.where(np.isnat(days), np.nan, days.astype(np.int64) / DAYS_PER_YEAR)
    return years
