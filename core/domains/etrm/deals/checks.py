"""Every check of a panel of deals: the identities of a trading system, as gates.

A value follows from volume and prices, a cancelled deal weighs nothing, a net exposure is within the gross one, VaR at
99 % is at least VaR at 95 %, and a book is over a limit exactly if its utilisation is above 1: the larger of its VaR at
99 % and its gross exposure, each over its limit. A book over a limit breaches one within five days.
"""

import numpy as np

from core.arrays import BoolArray
from core.domains.etrm.data.settings import COMMODITIES
from core.domains.etrm.deals.books import BOOK_NAMES
from core.domains.etrm.deals.columns import BY_NAME, CATEGORIES, NUMBERS, REQUIRED
from core.quality.cells import Cells
from core.quality.check import Check, Measurement, fixed
from core.quality.check_set import CheckSet
from core.quality.checks.completeness import coverage, emptiest_column
from core.quality.checks.uniqueness import duplicates
from core.quality.checks.validity import column_kinds, infinite_values, known_levels, value_ranges

CENT = 0.02  # EUR; values are published in cents
RELATIVE = 1e-4  # of a value whose prices are published with four decimals
GROSS_SHARE = 0.01
GROSS_EMPTY = 50.0


def value_follows_prices(cells: Cells) -> Measurement:
    """Measure the share of deals whose value is not volume times market less deal price, in euros, in %.

    A cancelled deal weighs nothing.
    """
    volume, price, market, fx, value = (
        cells.numbers(name) for name in ("volume", "price", "market_price", "fx_rate", "mtm_eur")
    )
    sides, side_names = cells.labels("side")
    states, state_names = cells.labels("status")
    sign = np.array([*(1.0 if name == "buy" else -1.0 for name in side_names), np.nan])[sides]
    weight = np.array([*(float(name != "cancelled") for name in state_names), np.nan])[states]
    gross = volume * np.maximum(np.abs(market), np.abs(price)) * fx
    apart = np.abs(value - sign * weight * volume * (market - price) * fx)
    return _broken(apart > CENT + RELATIVE * weight * gross, np.isfinite(apart))


def var_is_ordered(cells: Cells) -> Measurement:
    """Measure the share of deals whose book's VaR at 99 % is below its VaR at 95 %, in %."""
    low, high = cells.numbers("var95_eur"), cells.numbers("var99_eur")
    return _broken(high < low - CENT, np.isfinite(low + high))


def utilisation_follows(cells: Cells) -> Measurement:
    """Measure the share of deals whose book's utilisation is not that of its limits, or its flag not that, in %."""
    var, var_limit, gross, exposure_limit, used, over = (
        cells.numbers(name)
        for name in (
            "var99_eur", "limit_var_eur", "gross_exposure_meur", "limit_exposure_meur", "utilisation", "over_limit",
        )
    )  # fmt: skip
    apart = np.abs(used - np.maximum(var / var_limit, gross / exposure_limit))
    return _broken((apart > 1e-3 * np.maximum(used, 1)) | ((used > 1) != (over > 0.5)), np.isfinite(apart + over))


def net_within_gross(cells: Cells) -> Measurement:
    """Measure the share of deals whose book's net exposure is beyond its gross one, in %."""
    net, gross = cells.numbers("net_exposure_meur"), cells.numbers("gross_exposure_meur")
    return _broken(np.abs(net) > gross * (1 + 1e-9), np.isfinite(net + gross))


def _broken(wrong: BoolArray, seen: BoolArray) -> Measurement:
    offending = np.asarray(wrong & seen)
    n_seen = max(int(seen.sum()), 1)
    return Measurement(100 * float(offending.sum()) / n_seen, n_seen, offending)


DEAL_CHECKS = CheckSet(
    checks=(
        Check(
            "coverage", coverage(REQUIRED), ">=", lambda s: s.coverage_min, "%", blocking=True, dimension="completeness"
        ),
        Check(
            "value_identity", value_follows_prices, "<=", fixed(0.1), "%", blocking=True, fewest_rows=3,
            dimension="validity",
        ),
        Check("var_order", var_is_ordered, "<=", fixed(0.0), "%", blocking=True, dimension="validity"),
        Check("limit_identity", utilisation_follows, "<=", fixed(0.0), "%", blocking=True, dimension="validity"),
        Check("net_within_gross", net_within_gross, "<=", fixed(0.0), "%", blocking=True, dimension="validity"),
        Check(
            "value_ranges",
            value_ranges({name: (BY_NAME[name].least, BY_NAME[name].most) for name in NUMBERS}),
            "<=", fixed(0.0), "%", dimension="validity", gross_share=GROSS_SHARE,
        ),
        Check("infinite_values", infinite_values(NUMBERS), "<=", fixed(0.0), "rows", dimension="validity"),
        Check(
            "known_levels",
            known_levels({**CATEGORIES, "book": BOOK_NAMES, "commodity": COMMODITIES}),
            "<=", fixed(0.0), "rows", dimension="validity",
        ),
        Check(
            "column_kinds", column_kinds(NUMBERS, ("as_of_date",)), "<=", fixed(0.0), "columns", dimension="validity"
        ),
        Check(
            "empty_columns", emptiest_column(REQUIRED, gross=GROSS_EMPTY), "<=",
            lambda s: min(100.0, 2 * (100 - s.coverage_min)), "%",
        ),
        Check(
            "duplicates", duplicates({"deal_id": "name"}), "<=", fixed(0.0), "rows", dimension="uniqueness",
            gross_share=GROSS_SHARE,
        ),
    ),
    row_names=("deal_id", "as_of_date"),
)  # fmt: skip
