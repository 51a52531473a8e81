"""The quality of one data set: every check applied, and one score from 0 to 1."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, get_args

import msgspec

from core.quality import custom
from core.quality.cells import Cells
from core.quality.check import Check, Dimension
from core.quality.check_set import CheckSet
from core.quality.gate import GateResult
from core.settings.quality import QualityGates

if TYPE_CHECKING:
    import pandas as pd

KEPT_PER_FAILED_GATE = 0.9

DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)


class QualityReport(msgspec.Struct, frozen=True, kw_only=True):
    """The quality of a data set."""

    gates: tuple[GateResult, ...]
    score: float
    passed: bool
    dimensions: dict[str, float]


def assess(frame: "pd.DataFrame", check_set: CheckSet, settings: QualityGates | None = None) -> QualityReport:
    """Apply a domain's checks, and the custom gates named in the settings.

    Args:
        frame: The data; any frame gets a report, a hostile frame one of failed gates.
        check_set: The checks.
        settings: Thresholds; the defaults if not given.
    Returns:
        Every result, and whether no blocking one failed.
    Raises:
        UnknownGateError: The settings name an unknown custom gate.
    """
    settings = settings or QualityGates()
    cells = Cells(frame, row_names=check_set.row_names)
    results = [check.apply(cells, settings) for check in check_set.checks]
    dimensions = score_dimensions(check_set.checks, results)
    results += [custom.apply(name, frame, settings) for name in settings.custom_gates]
    n_failed = sum(result.blocks for result in results)
    return QualityReport(
        gates=tuple(results),
        score=overall_score(dimensions, n_failed),
        passed=n_failed == 0,
        dimensions=dimensions,
    )


def score_dimensions(checks: Sequence[Check[Cells]], results: Sequence[GateResult]) -> dict[str, float]:
    """Return the sound share of each dimension, 0-1; a dimension without a check is left out.

    Completeness is the share of filled required cells. Every other dimension is the share of rows
    without a finding, assuming that no row has two findings. A check that could not be made
    sets its dimension to 0.

    Args:
        checks: The checks applied.
        results: The result of each.
    """
    shares = {}
    for dimension in DIMENSIONS:
        of_it = [result for check, result in zip(checks, results, strict=True) if check.dimension == dimension]
        if not of_it:
            continue
        if any(result.value is None for result in of_it):
            shares[str(dimension)] = 0.0
        elif dimension == "completeness":
            shares[str(dimension)] = min(result.value or 0.0 for result in of_it) / 100
        else:
            shares[str(dimension)] = max(0.0, 1 - sum(it.n_offending / max(it.n_samples, 1) for it in of_it))
    return shares


def overall_score(dimensions: Mapping[str, float], n_failed: int) -> float:
    """Return the mean of the dimensions, times 0.9 for each blocking gate that failed.

    So data that passes every gate scores by its sound share, and data that fails any gate scores
    below 0.9, where the quality alert fires.

    >>> overall_score({"completeness": 1.0, "validity": 0.9}, 0)
    0.95
    """
    mean = sum(dimensions.values()) / len(dimensions) if dimensions else 1.0
    return mean * KEPT_PER_FAILED_GATE**n_failed
