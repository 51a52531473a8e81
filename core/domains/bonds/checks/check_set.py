"""Every check of a bond panel, in display order: the gates that block, then the gates that warn.

A gate that warns blocks too where the breach is gross: far beyond what the faults of a source explain. A new gate is a
function of `Cells` that returns a `Measurement`, and an entry here.
"""

from collections.abc import Callable, Sequence

import numpy as np

from core.arrays import FloatArray
from core.domains.bonds.checks.dates import dates_of_history, maturity_anomalies
from core.domains.bonds.checks.identities import (
    duration_within_maturity,
    issuers_agree,
    price_follows_yield,
    rating_agrees,
    spread_is_yield_over_base,
    years_agree,
)
from core.domains.bonds.checks.labels import MOST_FREQUENT, constant_labels, follows, label_rates, outlook
from core.domains.bonds.checks.relations import LOST_BY_A_WEAK_RELATION, RELATIONS, WIDE_RATINGS
from core.domains.bonds.checks.rules import sector_rules
from core.domains.bonds.data.columns import COLUMNS, required
from core.domains.bonds.data.panel import CATEGORIES
from core.quality.cells import Cells, statistic_of
from core.quality.check import Check, fixed
from core.quality.check_set import CheckSet
from core.quality.checks.completeness import coverage, emptiest_column, missing_share, rows_without
from core.quality.checks.plausibility import FEWEST_ROWS, constant_columns, outliers, stuck_columns, typical_values
from core.quality.checks.uniqueness import KeyColumns, duplicates
from core.quality.checks.validity import (
    ValueLimits,
    column_kinds,
    date_order,
    infinite_values,
    known_levels,
    median,
    negative_share,
    value_ranges,
)

GROSS_SHARE = 0.01  # of rows with an impossible value; injected and published error rates are below
GROSS_LABELS = 0.05  # of rows without a label
GROSS_REPEATS = 0.1  # of rows that repeat another
GROSS_CONVENTION = 0.1  # of rows in which related figures disagree by more than conventions do
GROSS_PRICES = 0.25  # of rows priced on the wrong side of par
GROSS_OUTLIERS = 0.1  # of rows far from their letter
GROSS_UNITS = 0.1  # of rows beyond what medians of any portfolio are
GROSS_ISSUERS = 0.1  # of rows whose issuer is not theirs
GROSS_EMPTY = 50.0  # % of cells of one required column
GROSS_CONSTANT = 0.5  # of numeric features; all macro columns are constant on a single date

LETTER_STARTS = (0, 1, 4, 7, 10, 13, 16)
_ABOVE_ZERO = float(np.nextafter(0.0, 1.0))
SCORES = tuple(column.name for column in COLUMNS if column.unit == "z")
# What no bond has, in any market; the column dictionary limits the rest.
IMPOSSIBLE_BEYOND: dict[str, ValueLimits] = {
    "maturity_years": (_ABOVE_ZERO, 100.1),
    "age_years": (0.0, 100.1),
    "original_tenor": (_ABOVE_ZERO, 110.0),
    "coupon_pct": (0.0, 60.0),
    "issue_size_musd": (_ABOVE_ZERO, 1e6),
    "face": (_ABOVE_ZERO, 1e11),
    "clean_price": (_ABOVE_ZERO, 500.0),
    "leverage_x": (0.0, 1e3),
    "interest_coverage_x": (0.0, 1e5),
    "bid_ask_bps": (0.0, 1e4),
    "turnover_annual": (0.0, 1e3),
    "vix": (_ABOVE_ZERO, 200.0),
    "spread_bps": (-1e3, 1e5),
    "ytm_pct": (-20.0, 1e3),
    "base_yield_pct": (-20.0, 100.0),
    "policy_rate": (-20.0, 100.0),
    "slope": (-50.0, 50.0),
    "cpi_yoy": (-50.0, 1e3),
    "mod_duration": (_ABOVE_ZERO, 100.0),
    "convexity": (0.0, 1e4),
    "log_assets": (-10.0, 20.0),
    "fx_vol": (0.0, 10.0),
    "news_count": (0.0, 1e6),
    **dict.fromkeys(SCORES, (-50.0, 50.0)),
}
LIMITS = {column.name: (column.least, column.most) for column in COLUMNS} | IMPOSSIBLE_BEYOND
# Medians of any portfolio, from AAA alone to distressed alone; a hundredth or a hundredfold is another unit.
PLAUSIBLE_MEDIANS = {
    "spread_bps": (1.0, 5_000.0),
    "ytm_pct": (-2.0, 80.0),
    "coupon_pct": (0.0, 25.0),
    "clean_price": (10.0, 250.0),
    "original_tenor": (0.5, 60.0),
    "issue_size_musd": (25.0, 20_000.0),
    "leverage_x": (0.1, 50.0),
    "interest_coverage_x": (0.05, 200.0),
    "esg_score": (3.0, 97.0),
    "bid_ask_bps": (0.5, 2_000.0),
    "turnover_annual": (0.005, 50.0),
    "log_assets": (1.0, 16.0),
    "fx_vol": (0.001, 1.0),
    "vix": (5.0, 120.0),
    "mod_duration": (0.05, 40.0),
    "debt_due_12m": (0.005, 0.9),
    "fund_ownership": (0.01, 0.95),
    "policy_rate": (-2.0, 60.0),
    "base_yield_pct": (-2.0, 60.0),
    "cpi_yoy": (-5.0, 60.0),
} | dict.fromkeys(("esg_e", "esg_s", "esg_g", "esg_provider2"), (3.0, 97.0))
# Scores in standard deviations, regardless of sign; those of one market day are alike in all rows, and are left out.
PLAUSIBLE_MAGNITUDES = dict.fromkeys(("news_sentiment", "web_traffic_z", "supplier_stress"), (0.02, 10.0))
# What differs between bonds, and between issuers; a coupon of zero and a common tenor are no fault.
VARY_BY_BOND = dict.fromkeys(
    ("spread_bps", "ytm_pct", "clean_price", "mod_duration", "convexity", "bid_ask_bps", "turnover_annual",
     "liquidity_index", "fund_ownership"),
    0.5,
) | {"issue_size_musd": 0.9}  # fmt: skip
VARY_BY_ISSUER = dict.fromkeys(
    ("leverage_x", "interest_coverage_x", "debt_due_12m", "log_assets", "esg_score", "esg_e", "esg_s", "esg_g",
     "esg_provider2"),
    0.5,
)  # fmt: skip
NUMBERS = tuple(column.name for column in COLUMNS if column.kind in ("float", "int", "bool"))
DATES = ("as_of_date", "issue_date", "maturity_date")
IDENTIFIERS = ("bond_id", "issuer_id", "as_of_date")
LABELS = tuple(column.name for column in COLUMNS if column.role == "label")
LEARNED_LABELS = ("downgrade_12m", "liquidity_shock_1m")
NUMERIC_FEATURES = tuple(column.name for column in COLUMNS if column.kind == "float" and column.role == "feature")
BOND_AND_DATE: KeyColumns = {"bond_id": "name", "as_of_date": "date"}

# Two rows that agree in all of these are one bond under two names: no two bonds of an issuer share all of them.
SAME_BOND: KeyColumns = {
    "issuer_id": "name",
    "as_of_date": "date",
    "issue_date": "date",
    "maturity_date": "date",
    "ytm_pct": "number",
    "spread_bps": "number",
    "clean_price": "number",
}


def _scaled_spreads(cells: Cells) -> FloatArray:
    return np.asarray(np.arcsinh(cells.numbers("spread_bps") / 10))  # on which spreads of all sizes vary equally


def _letters(cells: Cells) -> FloatArray:
    notch = cells.numbers("rating_num")
    return np.where(np.isnan(notch), np.nan, np.searchsorted(LETTER_STARTS, notch, side="right"))


GATES = (
    Check(
        "coverage",
        coverage(required()),
        ">=",
        lambda s: s.coverage_min,
        "%",
        blocking=True,
        dimension="completeness",
    ),
    Check(
        "esg_missing",
        missing_share("esg_score", group="issuer_id"),
        "<=",
        lambda s: s.esg_missing_max,
        "%",
        blocking=True,
    ),
    Check(
        "liquidity_index_median",
        median("liquidity_index"),
        ">=",
        lambda s: s.liquidity_index_median_min,
        blocking=True,
    ),
    Check(
        "negative_spreads",
        negative_share("spread_bps"),
        "<=",
        lambda s: s.negative_spreads_max,
        "%",
        blocking=True,
        fewest_rows=5,
        enough_rows=10,
        dimension="validity",
    ),
    Check(
        "maturity_anomalies",
        maturity_anomalies,
        "<=",
        lambda s: s.maturity_anomalies_max,
        "%",
        blocking=True,
        fewest_rows=3,
        dimension="validity",
    ),
)
WARNINGS = (
    *RELATIONS,
    Check(
        "empty_columns",
        emptiest_column(required(), gross=GROSS_EMPTY),
        "<=",
        lambda s: min(100.0, 2 * (100 - s.coverage_min)),
        "%",
    ),
    Check("column_kinds", column_kinds(NUMBERS, DATES), "<=", fixed(0.0), "columns", dimension="validity"),
    Check(
        "infinite_values",
        infinite_values(NUMBERS),
        "<=",
        fixed(0.0),
        "rows",
        dimension="validity",
        gross_share=GROSS_SHARE,
    ),
    Check(
        "known_levels",
        known_levels(CATEGORIES),
        "<=",
        fixed(0.0),
        "rows",
        dimension="validity",
        gross_share=GROSS_SHARE,
    ),
    Check(
        "value_ranges",
        value_ranges(LIMITS),
        "<=",
        fixed(0.1),
        "%",
        dimension="validity",
        gross_share=GROSS_SHARE,
    ),
    Check(
        "units",
        typical_values(PLAUSIBLE_MEDIANS, PLAUSIBLE_MAGNITUDES, gross_share=GROSS_UNITS),
        "<=",
        fixed(0.0),
        "columns",
        dimension="validity",
    ),
    Check(
        "dates_of_history",
        dates_of_history,
        "<=",
        fixed(0.0),
        "rows",
        dimension="validity",
        gross_share=GROSS_SHARE,
    ),
    Check(
        "issuers_agree",
        issuers_agree,
        "<=",
        fixed(1.0),
        "%",
        dimension="consistency",
        gross_share=GROSS_ISSUERS,
    ),
    Check(
        "identifiers",
        rows_without(IDENTIFIERS, what="identifiers"),
        "<=",
        fixed(0.0),
        "rows",
        dimension="completeness",
        gross_share=GROSS_SHARE,
    ),
    Check(
        "rating_agrees",
        rating_agrees,
        "<=",
        fixed(0.1),
        "%",
        dimension="consistency",
        gross_share=GROSS_SHARE,
    ),
    Check("years_agree", years_agree, "<=", fixed(0.1), "%", dimension="consistency", gross_share=GROSS_SHARE),
    Check(
        "spread_is_yield_over_base",
        spread_is_yield_over_base,
        "<=",
        fixed(5.0),
        "%",
        dimension="consistency",
        gross_share=GROSS_CONVENTION,
    ),
    Check(
        "price_follows_yield",
        price_follows_yield,
        "<=",
        fixed(5.0),
        "%",
        dimension="consistency",
        gross_share=GROSS_PRICES,
    ),
    Check(
        "duration_within_maturity",
        duration_within_maturity,
        "<=",
        fixed(1.0),
        "%",
        dimension="consistency",
        gross_share=GROSS_CONVENTION,
    ),
    Check(
        "outliers",
        outliers(_scaled_spreads, _letters, too_few=f"no letter has {FEWEST_ROWS} spreads"),
        "<=",
        fixed(1.0),
        "%",
        dimension="plausibility",
        gross_share=GROSS_OUTLIERS,
    ),
    Check(
        "stuck_bonds", stuck_columns(VARY_BY_BOND, of="bond_id"), "<=", fixed(0.0), "columns", dimension="plausibility"
    ),
    Check(
        "stuck_issuers",
        stuck_columns(VARY_BY_ISSUER, of="issuer_id"),
        "<=",
        fixed(0.0),
        "columns",
        dimension="plausibility",
    ),
    Check(
        "constant_columns", constant_columns(NUMERIC_FEATURES, gross_share=GROSS_CONSTANT), "<=", fixed(0.0), "columns"
    ),
    Check(
        "date_order",
        date_order("issue_date", "as_of_date", "maturity_date"),
        "<=",
        fixed(0.0),
        "rows",
        dimension="consistency",
        gross_share=GROSS_SHARE,
    ),
    Check("sector_rules", sector_rules, "<=", fixed(0.5), "%", dimension="consistency"),
    Check(
        "duplicates",
        duplicates(BOND_AND_DATE, SAME_BOND),
        "<=",
        fixed(0.0),
        "rows",
        dimension="uniqueness",
        gross_share=GROSS_REPEATS,
    ),
)


def _of_label(
    label: str, column: str, driver: Callable[[Cells], FloatArray], least: float, said: str, **sure: float
) -> Check[Cells]:
    return Check(
        f"{label.rsplit('_', 1)[0]}_driver",
        statistic_of(label, column)(follows(label, driver, said=said, **sure)),
        ">=",
        fixed(least),
        dimension="consistency",
        lost=LOST_BY_A_WEAK_RELATION,
    )


# The AUC of one driver alone; a panel whose interval stays below has lost the relation.
LABEL_RELATIONS = {
    "downgrade_12m": _of_label("downgrade_12m", "outlook", outlook, 0.52, "a weak outlook"),
    "upgrade_12m": _of_label("upgrade_12m", "outlook", lambda cells: -outlook(cells), 0.5, "a strong outlook"),
    "default_12m": _of_label(
        "default_12m",
        "rating_num",
        lambda cells: cells.numbers("rating_num"),
        0.7,
        "a low rating",
        lost=0.85,
        wide=WIDE_RATINGS,
    ),
    "liquidity_shock_1m": _of_label(
        "liquidity_shock_1m",
        "liquidity_index",
        lambda cells: -cells.numbers("liquidity_index"),
        0.52,
        "low liquidity",
    ),
}


def bond_checks(labels: Sequence[str]) -> CheckSet:
    """Return the checks of a panel.

    Args:
        labels: The labels that every row must have.
    """
    learned = [name for name in labels if name in LEARNED_LABELS]
    of_labels = (
        Check(
            "labels",
            rows_without(labels, what="labels"),
            "<=",
            fixed(0.0),
            "rows",
            dimension="completeness",
            gross_share=GROSS_LABELS,
        ),
        Check("constant_labels", constant_labels(learned), "<=", fixed(0.0), "labels"),
        Check(
            "label_rates",
            label_rates({name: MOST_FREQUENT[name] for name in labels if name in MOST_FREQUENT}),
            "<=",
            fixed(0.0),
            "labels",
            dimension="plausibility",
        ),
        *(check for name, check in LABEL_RELATIONS.items() if name in labels),
    )
    return CheckSet(checks=(*GATES, *WARNINGS, *(of_labels if labels else ())), row_names=("bond_id", "as_of_date"))


BOND_CHECKS = bond_checks(LABELS)
