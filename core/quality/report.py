"""The quality of one bond panel: every gate and check applied, and one score from 0 to 1."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from core.domains.bonds.checks.dates import DATE_ORDER
from core.domains.bonds.checks.gates import GATES
from core.domains.bonds.checks.plausibility import PLAUSIBILITY
from core.domains.bonds.checks.relations import RELATIONS
from core.domains.bonds.checks.rules import RULES
from core.quality import custom
from core.quality.cells import Cells
from core.quality.gate import GateResult
from core.settings.quality import QualityGates

if TYPE_CHECKING:
    import pandas as pd

CHECKS = (*GATES, *RELATIONS, *PLAUSIBILITY, DATE_ORDER, *RULES)

KEPT_PER_FAILED_GATE = 0.9

DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "completeness": ("coverage",),
    "validity": ("negative_spreads", "maturity_anomalies", "value_ranges"),
    "uniqueness": ("duplicates",),
    "consistency": ("date_order", "sector_rules"),
    "plausibility": ("outliers",),
}
"""Which checks' offending rows count against which dimension."""


class QualityReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a panel's quality."""

    gates: tuple[GateResult, ...]
    score: float
    passed: bool
    dimensions: dict[str, float]


def assess(bonds: "pd.DataFrame", settings: QualityGates | None = None) -> QualityReport:
    """Apply the five gates, the warning-only checks and the custom gates that the settings call for.

    Args:
        bonds: A panel as written; any frame at all is answered, a hostile one with failed gates.
        settings: Thresholds; the defaults if not given.
    Returns:
        Every result, and whether no blocking one failed.
    Raises:
        UnknownGateError: The settings call for a custom gate that is not there.
    """
    settings = settings or QualityGates()
    cells = Cells(bonds)
    results = [check.apply(cells, settings) for check in CHECKS]
    results += [custom.apply(name, bonds, settings) for name in settings.custom_gates]
    dimensions = score_dimensions(results)
    n_failed = sum(result.blocks for result in results)
    return QualityReport(
        gates=tuple(results),
        score=overall_score(dimensions, n_failed),
        passed=n_failed == 0,
        dimensions=dimensions,
    )


def score_dimensions(results: list[GateResult]) -> dict[str, float]:
    """Return each dimension's share of what is sound, 0-1.

    Completeness is the share of required cells that hold a value. Every other dimension is the share of rows
    that none of its checks objects to, taking no row to offend two of them. A check that could not be made
    leaves its dimension at 0.
    """
    by_name = {result.name: result for result in results}
    shares = {}
    for dimension, names in DIMENSIONS.items():
        checks = [by_name[name] for name in names]
        if any(check.value is None for check in checks):
            shares[dimension] = 0.0
        elif dimension == "completeness":
            shares[dimension] = (checks[0].value or 0.0) / 100
        else:
            shares[dimension] = max(0.0, 1 - sum(check.n_offending / max(check.n_samples, 1) for check in checks))
    return shares


def overall_score(dimensions: Mapping[str, float], n_failed: int) -> float:
    """Return the mean of the dimensions, times 0.9 for each blocking gate that failed.

    So a panel that passes every gate scores by how little of it is unsound, and one that fails any scores
    below 0.9, where the quality alert fires.

    >>> overall_score({"completeness": 1.0, "validity": 0.9}, 0)
    0.95
    """
    return sum(dimensions.values()) / len(dimensions) * KEPT_PER_FAILED_GATE**n_failed
