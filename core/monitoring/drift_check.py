"""Comparing two tables: has a column moved, how far, and how certain is that?

- **alarm**: certainly moved by more than is harmless. It may trigger retraining.
- **watch**: certainly moved, by enough to look at.
- **inconclusive**: too few rows to rule out a move that would matter; the check says how many it takes.
- **stable**: no move that would matter.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from core.arrays import FloatArray, IntArray
from core.columnwise import columnwise
from core.errors import UsageError
from core.monitoring import drift
from core.tables.signature import ColumnKind

LEVEL = 0.05
FEW_VALUES = 20  # a number with at most this many different values is compared value by value
MOST_LEVELS = 50  # of a category; rarer levels count as one


class DriftVerdict(StrEnum):
    """The verdict of a check."""

    STABLE = "stable"
    INCONCLUSIVE = "inconclusive"
    WATCH = "watch"
    ALARM = "alarm"


_GRAVITY = list(DriftVerdict)


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How one column has moved."""

    feature: str
    kind: str
    verdict: DriftVerdict
    reason: str
    n_baseline: int  # cells with a value
    n_current: int
    psi: float | None = None  # population stability index, nats
    ks_statistic: float | None = None  # Kolmogorov-Smirnov statistic of numbers, total variation of levels, 0 to 1
    psi_bound: float | None = None  # 95 % upper bound of the true PSI
    watch_p: float | None = None  # adjusted over all columns
    alarm_p: float | None = None
    missing_share_baseline: float = 0.0
    missing_share_current: float = 0.0
    unseen_share: float = 0.0  # share of rows with levels absent from the baseline
    rows_needed: int | None = None  # rows needed on each side to settle an inconclusive check


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a check."""

    verdict: DriftVerdict
    n_baseline: int
    n_current: int
    level: float
    matters: float  # the PSI from which a move is drift, nats
    harmless_psi: float
    harmless_ks_statistic: float
    features: tuple[FeatureDrift, ...]  # most severe first
    lost: tuple[str, ...] = ()  # columns only in the baseline
    added: tuple[str, ...] = ()  # columns only in the current table


@dataclass(frozen=True, slots=True)
class _Measured:
    """One column before the verdicts, which need the p-values of all columns."""

    name: str
    kind: ColumnKind
    n: tuple[int, int]
    missing: tuple[float, float]
    missing_watch_p: float
    missing_alarm_p: float
    moved: "_Moved | None"  # None if a side has no values

    @property
    def watch_p(self) -> float:
        return self.moved.watch_p if self.moved else 1.0

    @property
    def alarm_p(self) -> float:
        return self.moved.alarm_p if self.moved else 1.0

    @property
    def unseen_p(self) -> float:
        return self.moved.unseen_p if self.moved else 1.0


@dataclass(frozen=True, slots=True)
class _Moved:
    """How far the values of a column have moved."""

    psi: float
    ks_statistic: float
    n_bins: int
    watch_p: float
    alarm_p: float
    unseen_share: float = 0.0
    unseen_p: float = 1.0
    measure: str = "KS statistic"


def check_drift(
    baseline: pd.DataFrame,
    current: pd.DataFrame,
    kinds: dict[str, ColumnKind],
    *,
    matters: float = drift.MATTERS,
    level: float = LEVEL,
) -> DriftReport:
    """Compare two tables column by column.

    Args:
        baseline: The reference.
        current: The table to compare with it.
        kinds: Kind of each column of the baseline.
        matters: The PSI from which a move is drift, nats; the harmless PSI follows from it.
        level: Share of false discoveries among all columns reported as moved.
    Raises:
        UsageError: The tables have no column in common.
    Source:
        The tests are those of `core.monitoring.drift`, each with its source there. Watch: the test of no move at all
        and a KS statistic above the harmless one. Alarm: the tests of a harmless move, so that a million rows do not
        make 0.02 standard deviations an alarm.
    """
    shared = [name for name in kinds if name in current.columns]
    if not shared:
        raise UsageError("The two tables have no column in common, so there is nothing to compare.")
    measured = columnwise(lambda name: _measure(name, kinds[name], baseline[name], current[name], matters), shared)
    adjusted = {
        field: drift.benjamini_hochberg(np.array([getattr(found, field) for found in measured]))
        for field in ("watch_p", "alarm_p", "missing_watch_p", "missing_alarm_p", "unseen_p")
    }
    features = [
        _judge(found, {name: float(values[i]) for name, values in adjusted.items()}, matters=matters, level=level)
        for i, found in enumerate(measured)
    ]
    features.sort(key=lambda feature: (-_GRAVITY.index(feature.verdict), -(feature.psi or 0.0), feature.feature))
    lost = tuple(name for name in kinds if name not in current.columns)
    verdict = DriftVerdict.ALARM if lost else features[0].verdict
    return DriftReport(
        verdict=verdict,
        n_baseline=len(baseline),
        n_current=len(current),
        level=level,
        matters=matters,
        harmless_psi=drift.harmless_psi(matters),
        harmless_ks_statistic=drift.harmless_ks_statistic(matters),
        features=tuple(features),
        lost=lost,
        added=tuple(str(name) for name in current.columns if name not in kinds),
    )


def _measure(
    name: str, kind: ColumnKind, baseline: "pd.Series[Any]", current: "pd.Series[Any]", matters: float
) -> _Measured:
    n_baseline, n_current = int(baseline.notna().sum()), int(current.notna().sum())
    lacking = len(baseline) - n_baseline, len(current) - n_current
    counts = (lacking[0], len(baseline), lacking[1], len(current))
    moved = None
    if n_baseline and n_current:
        numbers = None if kind is ColumnKind.CATEGORY else (_numbers(baseline), _numbers(current))
        if numbers is not None and 1 + np.count_nonzero(np.diff(numbers[0])) > FEW_VALUES:
            moved = _compare_numbers(*numbers, matters)
        else:
            moved = _compare_levels(baseline, current, matters)
    return _Measured(
        name=name,
        kind=kind,
        n=(n_baseline, n_current),
        missing=(lacking[0] / len(baseline), lacking[1] / len(current)),
        missing_watch_p=drift.share_p_value(*counts),
        missing_alarm_p=drift.share_p_value(*counts, harmless=drift.harmless_ks_statistic(matters)),
        moved=moved,
    )


def _numbers(values: "pd.Series[Any]") -> FloatArray:
    present = values.dropna()
    if pd.api.types.is_datetime64_any_dtype(present):
        return np.sort(present.to_numpy().astype("datetime64[s]").astype(np.float64))
    return np.sort(present.to_numpy(dtype=np.float64))


def _compare_numbers(baseline: FloatArray, current: FloatArray, matters: float) -> _Moved:
    """Compare numbers, both sides in ascending order."""
    statistic = drift.ks_statistic(baseline, current)
    # Equal values make equal edges, and there is no bin between equal edges.
    edges = np.unique(np.quantile(baseline, np.arange(1, drift.N_BINS) / drift.N_BINS))
    before, after = _in_bins(baseline, edges), _in_bins(current, edges)
    psi = drift.population_stability_index(before, after)
    n, m = len(baseline), len(current)
    alarm_p = drift.psi_p_value(psi, n, m, len(before), harmless=drift.harmless_psi(matters))
    return _Moved(psi, statistic, len(before), drift.ks_p_value(statistic, n, m), alarm_p)


def _in_bins(values: FloatArray, edges: FloatArray) -> IntArray:
    return np.diff(np.concatenate(([0], np.searchsorted(values, edges, side="right"), [len(values)]))).astype(np.int64)


def _compare_levels(baseline: "pd.Series[Any]", current: "pd.Series[Any]", matters: float) -> _Moved:
    """Compare categories, or numbers with few values, level by level; unseen levels have a separate test."""
    before, after = baseline.value_counts(), current.value_counts()
    before, after = before[before > 0], after[after > 0]
    kept = list(before.index[:MOST_LEVELS])
    counts = np.array([[int(side.get(level, 0)) for level in kept] for side in (before, after)], dtype=np.int64)
    n, m = int(before.sum()), int(after.sum())
    rest = np.array([[n - counts[0].sum()], [m - counts[1].sum()]], dtype=np.int64)
    if rest.any():
        counts = np.concatenate((counts, rest), axis=1)
    n_bins = counts.shape[1]
    psi = drift.population_stability_index(*counts)
    n_unseen = int(after[~after.index.isin(before.index)].sum())
    return _Moved(
        psi,
        drift.total_variation(*counts),
        n_bins,
        drift.psi_p_value(psi, n, m, n_bins),
        drift.psi_p_value(psi, n, m, n_bins, harmless=drift.harmless_psi(matters)),
        n_unseen / m,
        drift.unseen_p_value(n_unseen, m, int((before == 1).sum()), n),
        "total variation",
    )


def _judge(found: _Measured, adjusted: dict[str, float], *, matters: float, level: float) -> FeatureDrift:
    verdict, reason, needed = DriftVerdict.STABLE, "empty on both sides", None
    (n, m), moved = found.n, found.moved
    bound = drift.psi_bound(moved.psi, n, m, moved.n_bins, level=level) if moved else None
    if findings := _findings(found, adjusted, matters=matters, level=level):
        verdict = max((finding for finding, _ in findings), key=_GRAVITY.index)
        reason = "; ".join(why for _, why in findings)
    elif moved is not None and bound is not None and bound > matters:
        needed = drift.rows_to_settle(matters, moved.n_bins, level=level)
        verdict = DriftVerdict.INCONCLUSIVE
        reason = f"the true PSI may be up to {bound:.2f}; about {needed:,} rows on each side settle it"
    elif moved is None and n != m:
        verdict, reason = DriftVerdict.INCONCLUSIVE, "one side has no values to compare"
    elif bound is not None:
        reason = f"the true PSI is below {bound:.3f} with {1 - level:.0%} confidence"
    return FeatureDrift(
        feature=found.name,
        kind=found.kind,
        verdict=verdict,
        reason=reason,
        n_baseline=n,
        n_current=m,
        psi=moved.psi if moved else None,
        ks_statistic=moved.ks_statistic if moved else None,
        psi_bound=bound,
        watch_p=adjusted["watch_p"] if moved else None,
        alarm_p=adjusted["alarm_p"] if moved else None,
        missing_share_baseline=found.missing[0],
        missing_share_current=found.missing[1],
        unseen_share=moved.unseen_share if moved else 0.0,
        rows_needed=needed,
    )


def _findings(
    found: _Measured, adjusted: dict[str, float], *, matters: float, level: float
) -> list[tuple[DriftVerdict, str]]:
    """Give the reasons for an alarm or a watch."""
    findings = []
    alarm, watch = DriftVerdict.ALARM, DriftVerdict.WATCH
    harmless = drift.harmless_ks_statistic(matters)
    if moved := found.moved:
        if adjusted["alarm_p"] <= level:
            findings.append((alarm, f"moved by more than is harmless: PSI {moved.psi:.3f}"))
        elif adjusted["watch_p"] <= level and moved.ks_statistic >= harmless:
            findings.append((watch, f"moved: {moved.measure} {moved.ks_statistic:.3f}, perhaps harmless"))
        if adjusted["unseen_p"] <= level:
            why = f"{moved.unseen_share:.1%} of the rows have levels never seen"
            findings.append((alarm if moved.unseen_share >= harmless else watch, why))
    emptied = f"empty cells went from {found.missing[0]:.1%} to {found.missing[1]:.1%}"
    if adjusted["missing_alarm_p"] <= level:
        findings.append((alarm, emptied))
    elif adjusted["missing_watch_p"] <= level and abs(found.missing[1] - found.missing[0]) >= harmless:
        findings.append((watch, emptied))
    return findings
