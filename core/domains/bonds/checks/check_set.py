"""Every check of a bond panel, in display order: the gates that block, then the gates that warn.

A new gate is a function of `Cells` that returns a `Measurement`, and an entry here.
"""

import numpy as np

from core.arrays import FloatArray
from core.domains.bonds.checks.dates import maturity_anomalies
from core.domains.bonds.checks.relations import RELATIONS
from core.domains.bonds.checks.rules import sector_rules
from core.domains.bonds.data.columns import COLUMNS, required
from core.quality.cells import Cells
from core.quality.check import Check, fixed
from core.quality.check_set import CheckSet
from core.quality.checks.completeness import coverage, missing_share
from core.quality.checks.plausibility import FEWEST_ROWS, constant_columns, outliers
from core.quality.checks.uniqueness import KeyColumns, duplicates
from core.quality.checks.validity import date_order, median, negative_share, value_ranges

LETTER_STARTS = (0, 1, 4, 7, 10, 13, 16)
LIMITS = {column.name: (column.least, column.most) for column in COLUMNS}
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
    Check("esg_missing", missing_share("esg_score"), "<=", lambda s: s.esg_missing_max, "%", blocking=True),
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
        dimension="validity",
    ),
    Check(
        "maturity_anomalies",
        maturity_anomalies,
        "<=",
        lambda s: s.maturity_anomalies_max,
        "%",
        blocking=True,
        dimension="validity",
    ),
)
WARNINGS = (
    *RELATIONS,
    Check("value_ranges", value_ranges(LIMITS), "<=", fixed(0.1), "%", dimension="validity"),
    Check(
        "outliers",
        outliers(_scaled_spreads, _letters, too_few=f"no letter has {FEWEST_ROWS} spreads"),
        "<=",
        fixed(1.0),
        "%",
        dimension="plausibility",
    ),
    Check("constant_columns", constant_columns(NUMERIC_FEATURES), "<=", fixed(0.0), "columns"),
    Check(
        "date_order",
        date_order("issue_date", "as_of_date", "maturity_date"),
        "<=",
        fixed(0.0),
        "rows",
        dimension="consistency",
    ),
    Check("sector_rules", sector_rules, "<=", fixed(0.5), "%", dimension="consistency"),
    Check("duplicates", duplicates(BOND_AND_DATE, SAME_BOND), "<=", fixed(0.0), "rows", dimension="uniqueness"),
)
BOND_CHECKS = CheckSet(checks=(*GATES, *WARNINGS), row_names=("bond_id", "as_of_date"))
