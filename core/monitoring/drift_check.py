"""Comparing two tables: has a column moved, how far, and how certain is that?

- **alarm**: certainly moved by more than is harmless, or unreadable. It may trigger retraining.
- **watch**: certainly moved, by enough to look at.
- **inconclusive**: too few rows to rule out a move that would matter; the check says how many it takes.
- **stable**: no move that would matter.

Without drift a whole check ends in a watch or an alarm at most with the probability `LEVEL`. That level is split over
the families of tests (values, empty cells, unseen levels, numbers outside the range, unreadable cells), and in each
family over the columns. It holds for one check of rows that do not depend on each other, or whose groups or blocks are
named.
"""

import logging
import math
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import pandas as pd

from core.columnwise import columnwise
from core.monitoring import drift
from core.monitoring.column_drift import Measured, measure
from core.monitoring.dependence import LEAST_UNITS, UnitsBySide, dependence_note
from core.monitoring.exact_tests import benjamini_hochberg
from core.monitoring.moved import LEVEL, Moved, TestedMove
from core.monitoring.verdicts import DriftVerdict as DriftVerdict
from core.progress import begins
from core.tables.signature import ColumnKind

log = logging.getLogger(__name__)

FEW_ROWS_SHARE = 0.1
"""The share of the level at which few rows alarm: only a gross move, never a watch. Otherwise they are inconclusive."""
THREADED_ROWS = 20_000  # of both tables; below, threads cost more than they save
WEIGHTS = {"values": 3, "missing": 1, "unseen": 1, "outside": 1, "unreadable": 1}
"""The share of each family in the level; a family without a test leaves its share to the others."""
UNSEEN_WATCHED = 0.1  # of the harmless gap of shares: the excess of unseen levels from which a column is watched
OUTSIDE_WATCHED = 0.1  # the same of numbers outside the range of the reference


_GRAVITY = list(DriftVerdict)


class DriftFinding(msgspec.Struct, frozen=True):
    """One reason for a watch or an alarm."""

    verdict: DriftVerdict
    what: str  # values, missing, unseen, outside or unreadable
    reason: str


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How one column has moved.

    Adjusted p-values already account for all columns and families: each is compared with the level of the report.
    """

    feature: str
    kind: str
    verdict: DriftVerdict
    reason: str
    n_reference: int  # cells with a value
    n_current: int
    psi: float | None = None  # population stability index, nats
    psi_bound: float | None = None  # 95 % upper bound of the true PSI, of the groups compared; never below psi
    ks_statistic: float | None = None  # of numbers, 0 to 1
    total_variation: float | None = None  # of levels, 0 to 1
    p_value: float | None = None  # of values that have not moved at all
    adjusted_p_value: float | None = None
    adjusted_alarm_p_value: float | None = None  # of values that have moved, but harmlessly
    missing_share_reference: float = 0.0
    missing_share_current: float = 0.0
    adjusted_missing_p_value: float | None = None  # None if no cell is empty
    unseen_share: float = 0.0  # share of current rows with levels absent from the reference
    adjusted_unseen_p_value: float | None = None  # None if there are no levels
    outside_share: float = 0.0  # share of current numbers outside the range of the reference
    adjusted_outside_p_value: float | None = None  # None where levels are compared, or rows are few
    unreadable_share_reference: float = 0.0  # share of cells that are not of the kind of the column, or infinite
    unreadable_share_current: float = 0.0
    rows_needed: int | None = None  # rows needed on each side to settle an inconclusive check
    design_effect: float | None = None  # rows that are worth one independent row; None if no group or block was named
    chi_square: float | None = None  # Pearson's X² of the bins compared
    jensen_shannon: float | None = None  # distance of the bins compared, 0 to 1
    wasserstein: float | None = None  # of numbers: how far they moved on average, in their own unit
    findings: tuple[DriftFinding, ...] = ()  # what the reason consists of


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a check."""

    verdict: DriftVerdict
    n_reference: int
    n_current: int
    level: float
    matters: float  # the PSI from which a move is drift, nats
    harmless_psi: float
    harmless_ks_statistic: float
    features: tuple[FeatureDrift, ...]  # most severe first
    lost: tuple[str, ...] = ()  # columns only in the reference
    added: tuple[str, ...] = ()  # columns only in the current table
    notes: tuple[str, ...] = ()  # what the verdict assumes, where the tables speak against it


class _Adjusted(msgspec.Struct, frozen=True):
    """The p-values of one column, adjusted for all columns and families; 1 where there is no test."""

    values: TestedMove
    missing: TestedMove
    unseen: TestedMove
    outside: TestedMove
    unreadable: TestedMove


def kinds_to_read(kinds: Mapping[str, ColumnKind]) -> dict[str, ColumnKind]:
    """Return the kinds with which to read the current table: whole numbers may have decimals now.

    Args:
        kinds: Of the reference.
    """
    return {name: ColumnKind.NUMBER if kind is ColumnKind.INTEGER else kind for name, kind in kinds.items()}


def check_drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    kinds: Mapping[str, ColumnKind],
    *,
    matters: float = drift.MATTERS,
    level: float = LEVEL,
    unreadable: tuple[Mapping[str, int], Mapping[str, int]] = ({}, {}),
    infinite: tuple[Mapping[str, int], Mapping[str, int]] = ({}, {}),
    units: UnitsBySide | None = None,
) -> DriftReport:
    """Compare two tables column by column.

    Args:
        reference: The reference.
        current: The table to compare with it.
        kinds: The columns to compare, with their kinds in the reference.
        matters: The PSI from which a move is drift, nats; the harmless PSI follows from it.
        level: The probability of a watch or an alarm if nothing has moved, for the whole check.
        unreadable: By column, how many cells of the reference and of the current table were filled, but could not
            be read (`Table.unreadable`).
        infinite: How many of them were infinite (`Table.infinite`).
        units: By row of each table, the group or the block of rows that depend on each other. Without it each row
            counts as independent, and a note says where the tables speak against that.
    Source:
        The tests are those of `core.monitoring.column_drift`, adjusted by Benjamini and Hochberg within a family and
        by Bonferroni over the families. Watch: the test of no move at all, and an effect above the harmless one.
        Alarm: also the test of a harmless move, so that a million rows do not make 0.02 standard deviations an alarm.
    """

    def measure_column(name: str) -> Measured:
        lost, of_these = ((side[0].get(name, 0), side[1].get(name, 0)) for side in (unreadable, infinite))
        sides = reference[name], current[name]
        return measure(name, kinds[name], sides, lost, matters, infinite=of_these, units=units)

    shared = [name for name in kinds if name in current.columns]
    is_large = len(reference) + len(current) >= THREADED_ROWS
    begins(f"comparing {len(shared)} columns")
    measured = columnwise(measure_column, shared) if is_large else [measure_column(name) for name in shared]
    features = judge_columns(measured, matters=matters, level=level, is_grouped=units is not None)
    lost = tuple(name for name in kinds if name not in current.columns)
    report = DriftReport(
        verdict=DriftVerdict.ALARM if lost else features[0].verdict,
        n_reference=len(reference),
        n_current=len(current),
        level=level,
        matters=matters,
        harmless_psi=drift.harmless_psi(matters),
        harmless_ks_statistic=drift.harmless_ks_statistic(matters),
        features=tuple(features),
        notes=_notes(reference, current, kinds, shared) if units is None else (),
        lost=lost,
        added=tuple(str(name) for name in current.columns if name not in reference.columns),
    )
    moved = [found.feature for found in features if found.verdict in (DriftVerdict.ALARM, DriftVerdict.WATCH)]
    log.info(
        "%s: %d rows against %d; moved: %s", report.verdict, len(current), len(reference), ", ".join(moved) or "none"
    )
    for found in features:
        log.debug("%s: %s, %s", found.feature, found.verdict, found.reason)
    return report


def judge_columns(measured: list[Measured], *, matters: float, level: float, is_grouped: bool) -> list[FeatureDrift]:
    """Judge measured columns together, the most severe first.

    Args:
        measured: The columns.
        matters: The PSI from which a move is drift, nats.
        level: The probability of a watch or an alarm if nothing has moved, for all of them together.
        is_grouped: Whether rows that depend on each other are known.
    """
    features = [
        _judge(found, adjusted, matters=matters, level=level, is_grouped=is_grouped)
        for found, adjusted in zip(measured, _adjust(measured), strict=True)
    ]
    return sorted(features, key=lambda one: (-_GRAVITY.index(one.verdict), -(one.psi or 0.0), one.feature))


def _notes(
    reference: pd.DataFrame, current: pd.DataFrame, kinds: Mapping[str, ColumnKind], shared: list[str]
) -> tuple[str, ...]:
    untimed = [name for name in shared if kinds[name] is not ColumnKind.TIME]  # instants follow each other by nature
    note = dependence_note((reference, current), untimed)
    return (note,) if note else ()


_FAMILIES: dict[str, Callable[[Measured], TestedMove | None]] = {
    "values": lambda found: found.moved.tested if found.moved else None,
    "missing": lambda found: found.missing_test,
    "unseen": lambda found: found.moved.unseen if found.moved else None,
    "outside": lambda found: found.moved.outside if found.moved else None,
    "unreadable": lambda found: found.unreadable_test,
}


def _adjust(measured: list[Measured]) -> list[_Adjusted]:
    tests = {family: [test(found) for found in measured] for family, test in _FAMILIES.items()}
    weights = {family: WEIGHTS[family] for family, of in tests.items() if any(test is not None for test in of)}
    adjusted: dict[str, list[TestedMove]] = {}
    for family, of in tests.items():
        share = weights.get(family, 1) / max(sum(weights.values()), 1)
        there = [test or TestedMove() for test in of]
        both = [
            np.minimum(benjamini_hochberg(np.array(p_values)) / share, 1.0).tolist()
            for p_values in ([test.p for test in there], [test.moved_p for test in there])
        ]
        adjusted[family] = [TestedMove(*p_values) for p_values in zip(*both, strict=True)]
    return [_Adjusted(**dict(zip(adjusted, of, strict=True))) for of in zip(*adjusted.values(), strict=True)]


def _judge(found: Measured, adjusted: _Adjusted, *, matters: float, level: float, is_grouped: bool) -> FeatureDrift:
    moved = found.moved
    if findings := _findings(found, adjusted, matters=matters, level=level):
        verdict, needed = max((finding for finding, *_ in findings), key=_GRAVITY.index), None
        reason = "; ".join(why for *_, why in findings)
    else:
        verdict, reason, needed = _without_findings(found, matters=matters)
    return FeatureDrift(
        feature=found.name,
        kind=found.kind,
        verdict=verdict,
        reason=reason,
        n_reference=found.n[0],
        n_current=found.n[1],
        psi=moved.psi if moved else None,
        psi_bound=moved.psi_bound if moved else None,
        ks_statistic=moved.effect if moved and not moved.by_level else None,
        total_variation=moved.effect if moved and moved.by_level else None,
        p_value=moved.tested.p if moved and moved.tested else None,
        adjusted_p_value=adjusted.values.p if moved and moved.tested else None,
        adjusted_alarm_p_value=adjusted.values.moved_p if moved and moved.tested else None,
        missing_share_reference=found.missing[0],
        missing_share_current=found.missing[1],
        adjusted_missing_p_value=adjusted.missing.p if found.missing_test else None,
        unseen_share=moved.unseen_share if moved else 0.0,
        adjusted_unseen_p_value=adjusted.unseen.p if moved and moved.unseen else None,
        outside_share=moved.outside_share if moved else 0.0,
        adjusted_outside_p_value=adjusted.outside.p if moved and moved.outside else None,
        unreadable_share_reference=found.unreadable[0],
        unreadable_share_current=found.unreadable[1],
        rows_needed=needed,
        design_effect=_design_effect(moved) if is_grouped else None,
        chi_square=moved.chi_square if moved else None,
        jensen_shannon=moved.jensen_shannon if moved else None,
        wasserstein=moved.wasserstein if moved and found.kind is not ColumnKind.TIME else None,
        findings=tuple(DriftFinding(*finding) for finding in findings),
    )


def _design_effect(moved: Moved | None) -> float | None:
    """Return the design effect; None where too few groups tell nothing of it."""
    return moved.design_effect if moved and math.isfinite(moved.design_effect) else None


def _without_findings(found: Measured, *, matters: float) -> tuple[DriftVerdict, str, int | None]:
    """Tell a column that has not moved from a column that cannot be judged yet."""
    stable, inconclusive = DriftVerdict.STABLE, DriftVerdict.INCONCLUSIVE
    if (moved := found.moved) is None:
        if not any(found.n):
            return stable, "empty on both sides", None
        return inconclusive, "one side has no values to compare", None
    if moved.names_rows:
        return stable, "nearly every row has a level of its own, so there is no distribution to compare", None
    if not math.isfinite(moved.design_effect):
        return (
            inconclusive,
            f"fewer than {LEAST_UNITS} groups or blocks on a side are too few to judge",
            None,
        )
    settle, needed = _settling(found, moved)
    if moved.psi_bound is not None:
        of = f" of the {moved.n_groups} groups compared" if moved.n_groups else ""
        if moved.psi_bound > matters:
            return inconclusive, f"the true PSI{of} may be up to {moved.psi_bound:.2f}; {settle}", needed
        if moved.hidden_share > drift.harmless_ks_statistic(matters):
            rare = f"{moved.hidden_share:.0%} of the rows have levels so rare that no move would show"
            return inconclusive, f"{rare}; more rows settle it", None
        return stable, f"the true PSI{of} is below {_up(moved.psi_bound):.3f} with 95% confidence", None
    if moved.gap_bound is not None and moved.gap_bound <= drift.harmless_ks_statistic(matters):
        return stable, f"below {_up(moved.gap_bound):.1%} of the rows have moved with 95% confidence", None
    few = f"{found.n[0]:,} values against {found.n[1]:,} are too few to judge"
    return inconclusive, f"{few}; {settle}", needed


def _settling(found: Measured, moved: Moved) -> tuple[str, int | None]:
    """Say how many rows settle a column; a column that has more of them already has probably moved a little."""
    if moved.rows_needed <= min(found.n):
        return "more rows settle it", None
    return f"about {moved.rows_needed:,} rows on each side settle it", moved.rows_needed


def _up(bound: float) -> float:
    """Round a bound up to three digits: nothing is below 0.000."""
    return max(math.ceil(bound * 1000), 1) / 1000


_Finding = tuple[DriftVerdict, str, str]  # and what has moved, and the reason in words


def _findings(found: Measured, adjusted: _Adjusted, *, matters: float, level: float) -> list[_Finding]:
    """Give the reasons for an alarm or a watch."""
    findings = _unreadable(found, adjusted.unreadable, matters=matters, level=level)
    alarm, watch = DriftVerdict.ALARM, DriftVerdict.WATCH
    harmless = drift.harmless_ks_statistic(matters)
    if moved := found.moved:
        size = f"{'total variation' if moved.by_level else 'KS statistic'} {moved.effect:.3f}"
        if adjusted.values.moved_p <= (level if moved.has_law else level * FEW_ROWS_SHARE):
            psi = f"PSI {moved.psi:.3f}" if moved.has_law and moved.psi is not None else size
            findings.append((alarm, "values", f"moved by more than is harmless: {psi}"))
        elif moved.has_law and adjusted.values.p <= level and moved.effect >= harmless:
            findings.append((watch, "values", f"moved: {size}, perhaps harmless"))
        unseen = f"{moved.unseen_share:.1%} of the rows have levels never seen"
        if adjusted.unseen.moved_p <= level:
            findings.append((alarm, "unseen", unseen))
        elif adjusted.unseen.p <= level and moved.unseen_excess >= UNSEEN_WATCHED * harmless:
            findings.append((watch, "unseen", unseen))
        outside = f"{moved.outside_share:.1%} of the values lie outside the range of the reference"
        if adjusted.outside.moved_p <= level:
            findings.append((alarm, "outside", outside))
        elif adjusted.outside.p <= level and moved.outside_excess >= OUTSIDE_WATCHED * harmless:
            findings.append((watch, "outside", outside))
    emptied = f"empty cells went from {found.missing[0]:.1%} to {found.missing[1]:.1%}"
    if adjusted.missing.moved_p <= level:
        findings.append((alarm, "missing", emptied))
    elif adjusted.missing.p <= level and abs(found.missing[1] - found.missing[0]) >= harmless:
        findings.append((watch, "missing", emptied))
    return findings


def _unreadable(found: Measured, adjusted: TestedMove, *, matters: float, level: float) -> list[_Finding]:
    """Judge cells that cannot be read: a fault of the table rather than chance where the reference has none."""
    before, after = found.unreadable
    if after <= before:
        return []
    why = f"unreadable: {after:.2%} of the cells hold no {found.kind}"
    why += f", {before:.2%} in the reference" if before else ""
    harmless = drift.harmless_ks_statistic(matters)
    if found.infinite[1] and not found.infinite[0]:
        return [(DriftVerdict.ALARM, "unreadable", f"{why}, {found.infinite[1]:,} infinite")]
    if adjusted.moved_p <= level or (before == 0.0 and (after >= harmless or found.n[1] == 0)):
        return [(DriftVerdict.ALARM, "unreadable", why)]
    is_certain = before == 0.0 or adjusted.p <= level
    return [(DriftVerdict.WATCH, "unreadable", why)] if is_certain else []
