"""The quality of one data set: every check applied, and one score from 0 to 1."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, get_args

import msgspec

from core.quality import custom
from core.quality.cells import Cells
from core.quality.check import Check, Dimension, Examined
from core.quality.check_set import CheckSet
from core.quality.gate import PERSONAL, GateResult, withheld
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


def assess(
    frame: "pd.DataFrame",
    check_set: CheckSet,
    settings: QualityGates | None = None,
    *,
    source: str = "the data",
    denied: Collection[str] = (),
    unquoted: Collection[str] = (),
) -> QualityReport:
    """Apply a domain's checks, and the custom gates named in the settings.

    Args:
        frame: The data; any frame gets a report, a hostile frame one of failed gates.
        check_set: The checks.
        settings: Thresholds; the defaults if not given.
        source: Where the rows are from, such as "the file"; every gate says so.
        denied: The columns whose values no sentence of the checks may quote; a custom gate that names or lists
            one tells its verdict alone.
        unquoted: More columns, of which no cell may be quoted, while figures of them may be told; a custom gate that
            names or lists one tells its verdict alone, since nobody knows what its text holds.
    Returns:
        Every result, and whether no blocking one failed.
    Raises:
        UnknownGateError: The settings name an unknown custom gate.
        UsageError: `limits` names a gate that the domain does not have.
    """
    settings = settings or QualityGates()
    check_set.require_known(settings.limits)
    cells = Cells(frame, row_names=check_set.row_names, source=source, denied=denied, unquoted=unquoted)
    examined = [check.examine(cells, settings) for check in check_set.checks]
    results = [found.result for found in examined]
    dimensions = score_dimensions(check_set.checks, examined)
    own = [_of_columns(custom.apply(name, frame, settings, source=source), frame) for name in settings.custom_gates]
    results += [_as_shown(result, denied, unquoted) for result in own]
    n_failed = sum(result.blocks for result in results)
    return QualityReport(
        gates=tuple(results),
        score=overall_score(dimensions, n_failed),
        passed=n_failed == 0,
        dimensions=dimensions,
    )


def _as_shown(result: GateResult, denied: Collection[str], unquoted: Collection[str]) -> GateResult:
    named = set(result.columns or ())
    if named & set(denied):
        return withheld(result)
    return withheld(result, PERSONAL) if named & set(unquoted) else result


def _of_columns(result: GateResult, frame: "pd.DataFrame") -> GateResult:
    """Add the columns that the texts of a custom gate name to those that it lists."""
    told = "\n".join((result.reason, *result.offending))
    named = [name for name in map(str, frame.columns) if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", told)]
    return msgspec.structs.replace(result, columns=tuple(dict.fromkeys((*(result.columns or ()), *named))))


def with_gate(report: QualityReport, gate: GateResult) -> QualityReport:
    """Return a report with one more gate, which counts as every other gate does."""
    gates = (*report.gates, gate)
    n_failed = sum(result.blocks for result in gates)
    return msgspec.structs.replace(
        report, gates=gates, score=overall_score(report.dimensions, n_failed), passed=n_failed == 0
    )


def score_dimensions(checks: Sequence[Check[Cells]], examined: Sequence[Examined]) -> dict[str, float]:
    """Return the sound share of each dimension, 0-1; a dimension without a check is left out.

    Completeness is the share of filled cells of the check that finds the fewest. Every other dimension is the share of
    rows without a finding, assuming that no row has two findings; a relation that the data have lost costs its
    dimension a stated share. A check that could not be made sets its dimension to 0, unless the data are too few.

    Args:
        checks: The checks applied.
        examined: What each found.
    """
    shares = {}
    for dimension in DIMENSIONS:
        unsound = [found.unsound for check, found in zip(checks, examined, strict=True) if check.dimension == dimension]
        if unsound:
            lost = max(unsound) if dimension == "completeness" else sum(unsound)
            shares[str(dimension)] = min(max(1.0 - lost, 0.0), 1.0)
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
