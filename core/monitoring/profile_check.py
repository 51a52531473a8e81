"""A batch against the profile of a version: which features, answers, outcomes and errors have moved, and how far.

One level of error is shared by all features and all kinds together, and nothing of the reference is needed but its
profile. The rules are those of `core.monitoring.drift_check`.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd

from core.columnwise import columnwise
from core.models.outcomes import Outcomes
from core.monitoring import dependence, profiling
from core.monitoring.data_profile import ColumnProfile, DataProfile, SliceProfile
from core.monitoring.drift_check import THREADED_ROWS, DriftVerdict, FeatureDrift, judge_columns
from core.monitoring.moved import LEVEL
from core.monitoring.profiled_column import measure_against
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
    level: float = LEVEL,
) -> ProfileDrift:
    """Check a batch.

    Args:
        profile: What the version learned from.
        frame: The batch; a column with the name of the target is compared with it.
        rules: The PSI that matters, by kind.
        outcomes: The answers of the version to the batch, and the truth where it is known.
        answers: The predictions and the residuals, where no `outcomes` hold them (`profiling.answer_columns`).
        unreadable: By column, filled cells that could not be read and are empty in the frame.
        infinite: How many of them were infinite.
        importance: Share of each feature in the answers of the version.
        level: The probability of a watch or an alarm if nothing has moved, over all kinds and columns together.
    """
    importance = importance or {}
    notes: list[str] = []
    units = None
    if profile.group is not None:
        if profile.group in frame.columns:
            units = dependence.group_numbers(frame[profile.group])
        else:
            notes.append(f"without the column {profile.group!r} its rows are taken for independent")
    answers = profiling.answer_columns(outcomes) if outcomes is not None else answers or {}
    kinds = _compared(profile, frame, answers)
    total = sum(WEIGHTS[kind] for kind, columns in kinds.items() if columns)
    begins(f"comparing {sum(map(len, kinds.values()))} columns")
    columns: list[ColumnDrift] = []
    for kind, own in kinds.items():
        if not own:
            continue
        matters = {DriftType.TARGET: rules.target, DriftType.RESIDUAL: rules.residual}.get(kind, rules.feature)

        def measure(pair: "tuple[ColumnProfile, pd.Series[Any]]", matters: float = matters) -> Any:
            stored, values = pair
            lost, of_these = ((counts or {}).get(stored.name, 0) for counts in (unreadable, infinite))
            same_rows = units is not None and len(values) == len(units)
            own_units = units if same_rows else None
            return measure_against(stored, values, lost, matters, infinite=of_these, units=own_units)

        is_large = len(frame) >= THREADED_ROWS and len(own) > 1
        measured = columnwise(measure, own) if is_large else [measure(pair) for pair in own]
        judged = judge_columns(
            measured, matters=matters, level=level * WEIGHTS[kind] / total, is_grouped=profile.group is not None
        )
        by_name = {stored.name: (stored, values) for stored, values in own}
        columns += [_described(kind, found, by_name[found.feature], importance) for found in judged]
    lost = tuple(stored.name for stored in profile.features if stored.name not in frame.columns)
    columns.sort(key=lambda one: -_GRAVITY.index(one.found.verdict))
    alerts = [_lost_alert(name, importance) for name in lost] + [alert for one in columns for alert in _alerts(one)]
    alerts.sort(key=lambda alert: (-_GRAVITY.index(alert.verdict), -(alert.importance or 0.0)))
    if profile.group is None:
        untimed = [stored.name for stored, _ in kinds[DriftType.FEATURE]]
        notes.append(dependence.dependence_note((frame.iloc[:FOLLOWED],), untimed, TRAIN_GROUPED))
    verdicts = [DriftVerdict.ALARM] * bool(lost) + [one.found.verdict for one in columns]
    return ProfileDrift(
        verdict=max(verdicts, key=_GRAVITY.index, default=DriftVerdict.STABLE),
        n_reference=profile.rows,
        n_current=len(frame),
        level=level,
        alerts=tuple(alerts),
        columns=tuple(columns),
        lost=lost,
        not_judged=tuple(kind for kind, own in kinds.items() if not own),
        slices=_slices(profile, outcomes),
        notes=tuple(filter(None, notes)),
    )


def _compared(
    profile: DataProfile, frame: pd.DataFrame, answers: "Mapping[str, tuple[pd.Series[Any], ColumnKind]]"
) -> "dict[DriftType, list[tuple[ColumnProfile, pd.Series[Any]]]]":
    """Pair each profile with the cells of now."""
    target = profile.target
    has_target = target is not None and target.name in frame.columns and bool(frame[target.name].notna().any())
    found: dict[DriftType, list[tuple[ColumnProfile, pd.Series[Any]]]] = {
        DriftType.FEATURE: [
            (stored, frame[stored.name]) for stored in profile.features if stored.name in frame.columns
        ],
        DriftType.PREDICTION: [],
        DriftType.TARGET: [],
        DriftType.RESIDUAL: [],
    }
    if has_target and target is not None:  # rows that wait for their outcome are no gap
        found[DriftType.TARGET] = [(target, frame[target.name].dropna().reset_index(drop=True))]
    for kind, stored in ((DriftType.PREDICTION, profile.prediction), (DriftType.RESIDUAL, profile.residual)):
        if stored is not None and stored.name in answers and answers[stored.name][1] is stored.kind:
            found[kind] = [(stored, answers[stored.name][0])]
    return found


def _described(
    kind: DriftType,
    found: FeatureDrift,
    pair: "tuple[ColumnProfile, pd.Series[Any]]",
    importance: Mapping[str, float],
) -> ColumnDrift:
    stored, values = pair
    mean = None
    if stored.mean is not None and pd.api.types.is_numeric_dtype(values) and stored.kind is not ColumnKind.TIME:
        mean = float(values.mean())
    return ColumnDrift(
        type=kind,
        found=found,
        importance=importance.get(found.feature) if kind is DriftType.FEATURE else None,
        mean_reference=stored.mean,
        mean_current=mean if mean is not None and math.isfinite(mean) else None,
        sd_reference=stored.sd,
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
    return {name: SliceMove(then=then, now=now[name]) for name, then in profile.slices.items() if name in now}
