"""A batch against the profile of a version: which features, answers, outcomes and errors have moved, and how far.

One level of error is shared by all features and all kinds together, and nothing of the reference is needed but its
profile. The rules are those of `core.monitoring.drift_check`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pandas as pd

from core.columnwise import columnwise
from core.explain.deny_list import NONE_DENIED, DenyList
from core.models.outcomes import Outcomes
from core.monitoring import dependence, profiling
from core.monitoring.column_drift import Measured
from core.monitoring.data_profile import ColumnProfile, DataProfile, SliceProfile
from core.monitoring.drift_check import THREADED_ROWS, DriftVerdict, FeatureDrift, judge_columns
from core.monitoring.live.number_counts import NumberCounts, NumberGrid
from core.monitoring.live.sketch import (
    PREDICTION,
    RESIDUAL,
    TARGET,
    ColumnCounts,
    ColumnIndex,
    LiveSketch,
    ProfileIndex,
)
from core.monitoring.moved import LEVEL
from core.monitoring.profiled_column import (
    INDEPENDENT,
    ColumnDependence,
    count_column,
    dependence_of,
    measure_counts,
)
from core.monitoring.verdicts import WITHOUT_FIGURES
from core.monitoring.verdicts import DriftType as DriftType
from core.progress import begins
from core.tables.signature import ColumnKind

if TYPE_CHECKING:
    from core.settings.policy import DriftPolicy

FOLLOWED = 50_000  # rows that are searched for likeness of neighbours
TRAIN_GROUPED = "name the column that groups them when the model is trained"


WEIGHTS = {DriftType.FEATURE: 3, DriftType.PREDICTION: 1, DriftType.TARGET: 1, DriftType.RESIDUAL: 1}
"""The shares of the kinds in the level of the whole check; a kind without data leaves its share to the others."""
_GRAVITY = list(DriftVerdict)


class DriftAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One finding."""

    type: DriftType
    column: str
    verdict: DriftVerdict
    message: str
    importance: float | None = None  # the feature's share of the model's importance


class ColumnDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the batch, or one of the model's answers."""

    type: DriftType
    found: FeatureDrift
    importance: float | None = None
    mean_reference: float | None = None
    mean_current: float | None = None
    sd_reference: float | None = None


class SliceMove(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to the rows of a slice, held out then and now; shown without a verdict."""

    then: SliceProfile
    now: SliceProfile


class ProfileDrift(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a check."""

    verdict: DriftVerdict
    n_reference: int
    n_current: int
    level: float
    alerts: tuple[DriftAlert, ...]  # the most severe first
    columns: tuple[ColumnDrift, ...]  # the most severe first
    lost: tuple[str, ...] = ()
    not_judged: tuple[DriftType, ...] = ()
    slices: dict[str, SliceMove] = {}
    notes: tuple[str, ...] = ()


def check_profile(
    profile: DataProfile,
    frame: pd.DataFrame,
    rules: "DriftPolicy",
    *,
    outcomes: Outcomes | None = None,
    answers: "Mapping[str, tuple[pd.Series[Any], ColumnKind]] | None" = None,
    unreadable: Mapping[str, int] | None = None,
    infinite: Mapping[str, int] | None = None,
    importance: Mapping[str, float] | None = None,
    denied: DenyList = NONE_DENIED,
    level: float = LEVEL,
) -> ProfileDrift:
    """Check a batch: count it in the bins of the profile, and check the counts.

    Args:
        profile: What the version learned from.
        frame: The batch; a column with the name of the target is compared with it.
        rules: The PSI that matters, by kind.
        outcomes: The answers of the version to the batch, and the truth where it is known.
        answers: The predictions and the residuals, where no `outcomes` hold them (`profiling.answer_columns`).
        unreadable: By column, filled cells that could not be read and are empty in the frame.
        infinite: How many of them were infinite.
        importance: Share of each feature in the answers of the version.
        denied: Columns whose shares, means and slices must not appear.
        level: The probability of a watch or an alarm if nothing has moved, over all kinds and columns together.
    """
    index, notes, units = ProfileIndex(profile), [], None
    if profile.group is not None and profile.group in frame.columns:
        units = dependence.group_numbers(frame[profile.group])
    answers = profiling.answer_columns(outcomes) if outcomes is not None else answers or {}
    own = _given(profile, frame, answers)
    begins(f"comparing {len(own)} columns")

    def count(given: _Given) -> tuple[ColumnCounts, ColumnDependence]:
        lost, of_these = ((counts or {}).get(given.stored.name, 0) for counts in (unreadable, infinite))
        how = index.columns[given.name] if given.kind is DriftType.FEATURE else index.answers[given.name]
        counts = count_column(how, given.values, lost, of_these)
        if units is None or len(given.values) != len(units):
            return counts, INDEPENDENT
        return counts, dependence_of(given.stored, given.values, units)

    is_large = len(frame) >= THREADED_ROWS and len(own) > 1
    counted = columnwise(count, own) if is_large else [count(given) for given in own]
    sketch, depends = LiveSketch(len(frame)), {}
    for given, (counts, found) in zip(own, counted, strict=True):
        (sketch.features if given.kind is DriftType.FEATURE else sketch.answers)[given.name] = counts
        depends[given.kind, given.name] = found
    if profile.group is None:
        untimed = [given.name for given in own if given.kind is DriftType.FEATURE]
        notes.append(dependence.dependence_note((frame.iloc[:FOLLOWED],), untimed, TRAIN_GROUPED))
    elif units is None:
        notes.append(f"without the column {profile.group!r} its rows are taken for independent")
    return check_sketch(
        index,
        sketch,
        rules,
        depends=depends,
        lost=[stored.name for stored in profile.features if stored.name not in frame.columns],
        slices=_slices(profile, outcomes),
        importance=importance,
        denied=denied,
        level=level,
        notes=notes,
    )


def check_sketch(
    index: ProfileIndex,
    sketch: LiveSketch,
    rules: "DriftPolicy",
    *,
    depends: "Mapping[tuple[DriftType, str], ColumnDependence] | None" = None,
    lost: Sequence[str] = (),
    slices: "Mapping[str, SliceMove] | None" = None,
    importance: Mapping[str, float] | None = None,
    denied: DenyList = NONE_DENIED,
    level: float = LEVEL,
    notes: Sequence[str] = (),
) -> ProfileDrift:
    """Check counted rows: a batch, or what a version answered within some minutes.

    The level holds for one check of a window that was fixed beforehand. Who looks again and again, and acts on the
    first alarm, needs a sequential verdict.

    Args:
        index: The profile of the version.
        sketch: The rows, in its bins.
        rules: The PSI that matters, by kind.
        depends: By kind and column, how far the rows depend on each other; they do not by default.
        lost: Features that should be there and are not.
        slices: The slices then and now; those of the sketch by default.
        importance: Share of each feature in the answers of the version.
        denied: Columns whose shares, means and slices must not appear.
        level: The probability of a watch or an alarm if nothing has moved, over all kinds and columns together.
        notes: What else is to be said.
    """
    depends, profile = depends or {}, index.profile
    importance = denied.visible(importance or {})
    kinds = _counted(index, sketch)
    total = sum(WEIGHTS[kind] for kind, columns in kinds.items() if columns)
    columns: list[ColumnDrift] = []
    for kind, own in kinds.items():
        if not own:
            continue
        matters = {DriftType.TARGET: rules.target, DriftType.RESIDUAL: rules.residual}.get(kind, rules.feature)
        measured = [
            measure_counts(each.stored, each.how, each.counts, matters, depends.get((kind, name), INDEPENDENT))
            for name, each in own.items()
        ]
        if kind in _OF_COLUMNS:
            measured = [_without_edges(each) if denied.denies(each.name) else each for each in measured]
        judged = judge_columns(
            measured, matters=matters, level=level * WEIGHTS[kind] / total, is_grouped=profile.group is not None
        )
        by_name = {each.stored.name: each for each in own.values()}
        columns += [_described(kind, found, by_name[found.feature], importance, denied) for found in judged]
    columns.sort(key=lambda one: -_GRAVITY.index(one.found.verdict))
    alerts = [_lost_alert(name, importance) for name in lost] + [alert for one in columns for alert in _alerts(one)]
    alerts.sort(key=lambda alert: (-_GRAVITY.index(alert.verdict), -(alert.importance or 0.0)))
    verdicts = [DriftVerdict.ALARM] * bool(lost) + [one.found.verdict for one in columns]
    return ProfileDrift(
        verdict=max(verdicts, key=_GRAVITY.index, default=DriftVerdict.STABLE),
        n_reference=profile.rows,
        n_current=sketch.n,
        level=level,
        alerts=tuple(alerts),
        columns=tuple(columns),
        lost=tuple(lost),
        not_judged=tuple(kind for kind, own in kinds.items() if not own),
        slices=denied.visible_slices(_counted_slices(index, sketch) if slices is None else slices),
        notes=tuple(filter(None, notes)),
    )


_OF_COLUMNS = (DriftType.FEATURE, DriftType.TARGET)
"""What is drift of a column of the file, which may be denied; the rest is of answers."""


class _Given(NamedTuple):
    """One column of a batch, and its profile."""

    kind: DriftType
    name: str  # of the feature, or of the kind of answer
    stored: ColumnProfile
    values: "pd.Series[Any]"


class _Counted(NamedTuple):
    """One counted column, and its profile."""

    stored: ColumnProfile
    how: ColumnIndex
    counts: ColumnCounts


_ANSWERS = {DriftType.PREDICTION: PREDICTION, DriftType.TARGET: TARGET, DriftType.RESIDUAL: RESIDUAL}


def _given(
    profile: DataProfile, frame: pd.DataFrame, answers: "Mapping[str, tuple[pd.Series[Any], ColumnKind]]"
) -> list[_Given]:
    """Pair each profile with the cells of now."""
    found = [
        _Given(DriftType.FEATURE, stored.name, stored, frame[stored.name])
        for stored in profile.features
        if stored.name in frame.columns
    ]
    target = profile.target
    if target is not None and target.name in frame.columns and bool(frame[target.name].notna().any()):
        known = frame[target.name].dropna().reset_index(drop=True)  # rows that wait for their outcome are no gap
        found.append(_Given(DriftType.TARGET, TARGET, target, known))
    for kind, stored in ((DriftType.PREDICTION, profile.prediction), (DriftType.RESIDUAL, profile.residual)):
        if stored is not None and stored.name in answers and answers[stored.name][1] is stored.kind:
            found.append(_Given(kind, _ANSWERS[kind], stored, answers[stored.name][0]))
    return found


def _counted(index: ProfileIndex, sketch: LiveSketch) -> dict[DriftType, dict[str, _Counted]]:
    """Pair each profile with the counts of now."""
    features = {
        name: _Counted(stored, index.columns[name], sketch.features[name])
        for name, stored in index.stored.items()
        if name in sketch.features
    }
    answers = {
        kind: {name: _Counted(index.stored_answers[name], index.answers[name], sketch.answers[name])}
        if name in sketch.answers and name in index.answers
        else {}
        for kind, name in _ANSWERS.items()
    }
    return {DriftType.FEATURE: features, **answers}


def _counted_slices(index: ProfileIndex, sketch: LiveSketch) -> dict[str, SliceMove]:
    return {
        name: SliceMove(
            then=_of_answers(index.profile.slices[name]),
            now=SliceProfile(rows=counts.rows, prediction=sketch.slice_mean(index, name)),
        )
        for name, counts in sketch.slices.items()
    }


def _described(
    kind: DriftType, found: FeatureDrift, counted: _Counted, importance: Mapping[str, float], denied: DenyList
) -> ColumnDrift:
    stored, mean = counted.stored, None
    if kind in _OF_COLUMNS and denied.denies(stored.name):
        return ColumnDrift(type=kind, found=_without_figures(found))
    if stored.mean is not None and stored.kind is not ColumnKind.TIME:
        how, counts = counted.how, counted.counts
        mean = how.mean(counts) if isinstance(how, NumberGrid) and isinstance(counts, NumberCounts) else None
    return ColumnDrift(
        type=kind,
        found=found,
        importance=importance.get(found.feature) if kind is DriftType.FEATURE else None,
        mean_reference=stored.mean,
        mean_current=mean if mean is not None and math.isfinite(mean) else None,
        sd_reference=stored.sd,
    )


def _without_edges(found: Measured) -> Measured:
    """Leave out the tests of a denied column that tell where its trained values end: one row at a time finds them."""
    if found.moved is None:
        return found
    moved = replace(found.moved, unseen_share=0.0, unseen=None, outside_share=0.0, outside=None)
    return replace(found, moved=moved)


def _without_figures(found: FeatureDrift) -> FeatureDrift:
    """Say of a denied column only whether it moved: from figures of chosen rows its distribution could be read."""
    findings = tuple(
        msgspec.structs.replace(each, reason=WITHOUT_FIGURES[each.verdict]) if each.what == "values" else each
        for each in found.findings
    )
    return FeatureDrift(
        feature=found.feature,
        kind=found.kind,
        verdict=found.verdict,
        reason="; ".join(each.reason for each in findings) or WITHOUT_FIGURES[found.verdict],
        n_reference=found.n_reference,
        n_current=found.n_current,
        missing_share_reference=found.missing_share_reference,
        missing_share_current=found.missing_share_current,
        unreadable_share_reference=found.unreadable_share_reference,
        unreadable_share_current=found.unreadable_share_current,
        findings=findings,
    )


def _alerts(column: ColumnDrift) -> list[DriftAlert]:
    kind = column.type
    return [
        DriftAlert(
            type=DriftType.QUALITY if kind is DriftType.FEATURE and finding.what != "values" else kind,
            column=column.found.feature,
            verdict=finding.verdict,
            message=f"{_subject(column)}: {finding.reason}{_movement(column) if finding.what == 'values' else ''}",
            importance=column.importance,
        )
        for finding in column.found.findings
    ]


def _subject(column: ColumnDrift) -> str:
    if column.type in (DriftType.PREDICTION, DriftType.RESIDUAL):
        return f"the {column.type}s"
    return f"the target {column.found.feature}" if column.type is DriftType.TARGET else column.found.feature


def _movement(column: ColumnDrift) -> str:
    before, after, sd = column.mean_reference, column.mean_current, column.sd_reference
    if before is None or after is None:
        return ""
    by = f" ({(after - before) / sd:+.2f} sd)" if sd else ""
    return f"; mean {before:.4g} -> {after:.4g}{by}"


def _lost_alert(name: str, importance: Mapping[str, float]) -> DriftAlert:
    return DriftAlert(
        type=DriftType.QUALITY,
        column=name,
        verdict=DriftVerdict.ALARM,
        message=f"{name}: the column is missing",
        importance=importance.get(name),
    )


def _slices(profile: DataProfile, outcomes: Outcomes | None) -> dict[str, SliceMove]:
    if outcomes is None or not profile.slices:
        return {}
    now = {name: profiling.slice_profile(outcomes, mask) for name, mask in profiling.slices_of(outcomes)}
    found = {name: _of_answers(then) for name, then in profile.slices.items() if name in now}
    return {name: SliceMove(then=then, now=now[name]) for name, then in found.items()}


def _of_answers(then: SliceProfile) -> SliceProfile:
    """Return a slice without the means of features, which live counts are compared with."""
    return msgspec.structs.replace(then, features={})
