"""Making a profile from the rows that a model learned from, and from its answers to rows held out."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.models.outcomes import Outcomes
from core.monitoring import dependence
from core.monitoring.column_drift import present_values
from core.monitoring.compare_numbers import tenths
from core.monitoring.data_profile import (
    MOST_LEVELS,
    N_BUCKETS,
    CalibrationBin,
    ColumnProfile,
    DataProfile,
    SliceProfile,
)
from core.monitoring.levels import LevelRows, level_rows
from core.monitoring.number_sketch import NumberSketch
from core.monitoring.season_counts import moments_of, with_seasons
from core.tables.signature import ColumnKind

MOST_COLUMNS = 1_000
MOST_SLICED_LEVELS = 32
MOST_SLICES = 100
LEAST_SLICE = 30
MOST_MEASURED = 32
"""Slices with the means of features: those of the first slice columns that have no more levels together."""
N_CALIBRATION = 10


def kinds_of(frame: pd.DataFrame) -> dict[str, ColumnKind]:
    """Return the kinds of the columns of a frame that nobody has described."""
    return {str(name): _kind(frame[name]) for name in list(frame.columns)[:MOST_COLUMNS]}


def _kind(values: "pd.Series[Any]") -> ColumnKind:
    if pd.api.types.is_datetime64_any_dtype(values):
        return ColumnKind.TIME
    is_number = pd.api.types.is_numeric_dtype(values) and not isinstance(values.dtype, pd.CategoricalDtype)
    return ColumnKind.NUMBER if is_number else ColumnKind.CATEGORY


def profile_column(
    values: "pd.Series[Any]", kind: ColumnKind, *, name: str, units: IntArray | None = None
) -> ColumnProfile:
    """Profile a column.

    Args:
        values: Its cells.
        kind: Its kind.
        name: Its name.
        units: By row, the unit of rows that depend on each other; None if no row depends on another.
    """
    there, n_lost = present_values(values, kind)
    rows = len(values)
    n_empty = rows - len(there) - n_lost
    gaps: dict[str, Any] = {"rows": rows, "missing": n_empty, "unreadable": n_lost, "infinite": n_lost}
    own = None if units is None or not len(there) else units[there.index.to_numpy()]
    if units is not None and 0 < len(there) < rows:
        empty = values.isna().to_numpy().astype(np.int64)
        effect = dependence.design_effect((empty,), (units,), ordered=False)
        gaps["missing_effect"] = effect if np.isfinite(effect) else float(rows)
    if kind is ColumnKind.CATEGORY:
        return ColumnProfile(name=name, kind=kind, **gaps, **_levels(there, own))
    numbers = there.to_numpy()
    if not len(numbers):
        return ColumnProfile(name=name, kind=kind, **gaps)
    sketch = NumberSketch.whole(np.sort(numbers))
    effect = 1.0
    if own is not None:
        effect = _kept(dependence.design_effect((np.searchsorted(tenths(sketch), numbers),), (own,), ordered=True))
    kept = sketch.kept()
    with np.errstate(over="ignore", invalid="ignore"):
        mean, sd = float(numbers.mean()), float(numbers.std())
    return ColumnProfile(
        name=name,
        kind=kind,
        **gaps,
        mean=mean if np.isfinite(mean) else None,
        sd=sd if np.isfinite(sd) else None,
        points=tuple(kept.points.tolist()),
        below=tuple(kept.below.tolist()),
        equal=tuple((kept.up_to - kept.below).tolist()),
        design_effect=effect,
    )


def _kept(effect: float) -> float:
    return effect if np.isfinite(effect) else 0.0


def _levels(values: "pd.Series[Any]", units: IntArray | None) -> dict[str, Any]:
    names, n_rows = named_rows(values)
    found: dict[str, Any] = {"n_levels": len(names)}
    is_named = len(names) <= MOST_LEVELS
    if is_named:
        found["levels"] = {str(name): int(n) for name, n in sorted(zip(names, n_rows, strict=True))}
    else:
        rows = np.zeros(N_BUCKETS, dtype=np.int64)
        np.add.at(rows, *bucketed((names, n_rows)))
        found["buckets"] = tuple(rows.tolist())
    if units is not None:
        codes = dependence.frequent_codes(values, values.iloc[:0])[0]
        found["design_effect"] = _kept(dependence.design_effect((codes,), (units,), ordered=False))
        alone = named_rows(values.iloc[dependence.first_of_each(units)])
        alone = alone if is_named else bucketed(alone)
        found["alone"] = {str(name): int(n) for name, n in sorted(zip(*alone, strict=True))}
    return found


def named_rows(values: "pd.Series[Any]") -> LevelRows:
    """Return the levels as text, and the rows of each."""
    names, n_rows = level_rows(values)
    texts, at = np.unique(np.array([str(name) for name in names], dtype=object), return_inverse=True)
    return texts, np.bincount(at, weights=n_rows, minlength=len(texts)).astype(np.int64)


def bucketed(levels: LevelRows) -> LevelRows:
    """Return the buckets that levels fall into by the hash of their names, and the rows of each."""
    names, n_rows = levels
    rows = np.bincount(buckets_of(names), weights=n_rows, minlength=N_BUCKETS).astype(np.int64)
    there = np.flatnonzero(rows)
    return there, rows[there]


def buckets_of(names: "Sequence[str] | AnyArray") -> IntArray:
    """Return the bucket of each name."""
    return (pd.util.hash_array(np.asarray(names, dtype=object)) % N_BUCKETS).astype(np.int64)


def profile_columns(
    frame: pd.DataFrame, kinds: Mapping[str, ColumnKind], group: str | None = None, time: str | None = None
) -> dict[str, ColumnProfile]:
    """Profile the columns of a frame.

    Args:
        frame: The rows.
        kinds: The columns, with their kinds.
        group: The column whose rows depend on each other; it is ignored where it is not there.
        time: The column with the time of each row, by whose hours and weekdays rows are counted; ignored likewise.
    """
    units = dependence.group_numbers(frame[group]) if group is not None and group in frame.columns else None
    moments = moments_of(frame[time]) if time is not None and time in frame.columns else (None, None)
    return {
        name: with_seasons(profile_column(frame[name], kind, name=name, units=units), frame[name], moments)
        for name, kind in kinds.items()
    }


def time_of(kinds: Mapping[str, ColumnKind]) -> str | None:
    """Return the column with the time of each row; None unless exactly one column holds times."""
    times = [name for name, kind in kinds.items() if kind is ColumnKind.TIME]
    return times[0] if len(times) == 1 else None


def profile_of(
    columns: Mapping[str, ColumnProfile],
    *,
    features: tuple[str, ...],
    target: str | None,
    group: str | None,
    held_out: Outcomes | None,
    time: str | None = None,
) -> DataProfile:
    """Assemble the profile of a version.

    Args:
        columns: The columns that it learned from.
        features: Those that it reads; times are left out, since they move on by themselves.
        target: The column that it predicts.
        group: The column whose rows depend on each other.
        held_out: Its answers to rows that it did not learn from.
        time: The column with the time of each row.
    """
    read = [columns[name] for name in features if name in columns and columns[name].kind is not ColumnKind.TIME]
    profile = DataProfile(
        format=1,
        rows=max((column.rows for column in columns.values()), default=0),
        features=tuple(read),
        target=columns.get(target) if target is not None else None,
        group=group,
        time=time if any(column.by_hour or column.by_weekday for column in read) else None,
    )
    return profile if held_out is None or not len(held_out.rows) else with_answers(profile, held_out)


PREDICTION, RESIDUAL = "prediction", "residual"


def answer_columns(outcomes: Outcomes) -> dict[str, "tuple[pd.Series[Any], ColumnKind]"]:
    """Return the predictions, and the residuals where the truth of some row is known."""
    predicted = outcomes.predictions
    found: dict[str, Any] = {PREDICTION: (predicted, _kind(predicted))}
    if (off := outcomes.residuals) is not None and off.notna().any():
        found[RESIDUAL] = off.dropna().reset_index(drop=True), ColumnKind.NUMBER
    return found


def with_answers(profile: DataProfile, held_out: Outcomes) -> DataProfile:
    """Return a profile with the distribution of the answers to rows that the version did not learn from."""
    import msgspec

    group, units = profile.group, None
    if group is not None and group in held_out.rows:
        units = dependence.group_numbers(held_out.rows[group])
    found = {}
    for name, (values, kind) in answer_columns(held_out).items():
        own = units if units is None or len(values) == len(units) else units[_known(held_out)]
        found[name] = profile_column(values, kind, name=name, units=own)
        if profile.time is not None and profile.time in held_out.rows and len(values) == len(held_out.rows):
            found[name] = with_seasons(found[name], values, moments_of(held_out.rows[profile.time]))
    return msgspec.structs.replace(
        profile,
        held_out=len(held_out.rows),
        prediction=found[PREDICTION],
        residual=found.get(RESIDUAL),
        calibration=calibration(held_out),
        slices=_sliced(profile, held_out),
    )


def _sliced(profile: DataProfile, held_out: Outcomes) -> dict[str, SliceProfile]:
    masks = dict(slices_of(held_out))
    by_column = Counter(name.partition("=")[0] for name in masks)
    measured, n = set[str](), 0
    for column, n_levels in by_column.items():
        if n + n_levels <= MOST_MEASURED:
            n += n_levels
            measured.add(column)
    means: dict[str, dict[str, float]] = {name: {} for name in masks if name.partition("=")[0] in measured}
    for feature in profile.features if means else ():
        if feature.mean is None or feature.name not in held_out.rows:
            continue
        cells = _numbers(held_out.rows[feature.name])
        for name, of_slice in means.items():
            if (mean := _mean(cells[masks[name]])) is not None:
                of_slice[feature.name] = mean
    return {name: slice_profile(held_out, mask, means.get(name)) for name, mask in masks.items()}


def _known(outcomes: Outcomes) -> BoolArray:
    off = outcomes.residuals
    assert off is not None
    return np.asarray(off.notna())


def calibration(outcomes: Outcomes) -> tuple[CalibrationBin, ...]:
    """Compare the probability of the second class with the share of events, by tenths of the answers."""
    if outcomes.actual is None or len(outcomes.classes) != 2 or outcomes.answer.ndim != 1:
        return ()
    known = np.flatnonzero(np.isfinite(outcomes.actual))
    order = known[np.argsort(outcomes.answer[known], kind="stable")]
    return tuple(
        CalibrationBin(
            rows=len(part), predicted=float(outcomes.answer[part].mean()), observed=float(outcomes.actual[part].mean())
        )
        for part in np.array_split(order, N_CALIBRATION)
        if len(part)
    )


def slices_of(outcomes: Outcomes) -> Iterator[tuple[str, BoolArray]]:
    """Yield the rows of each level of the categories with few levels, where they are enough for a mean."""
    found = 0
    for name, values in outcomes.rows.items():
        if not isinstance(values.dtype, pd.CategoricalDtype) or values.nunique() > MOST_SLICED_LEVELS:
            continue
        for level in sorted(map(str, values.dropna().unique())):
            mask: AnyArray = np.asarray(values.astype(str) == level)
            if int(mask.sum()) >= LEAST_SLICE and found < MOST_SLICES:
                found += 1
                yield f"{name}={level}", mask


def slice_profile(outcomes: Outcomes, mask: BoolArray, features: dict[str, float] | None = None) -> SliceProfile:
    """Summarise the answers to some rows, with the means of features in them."""
    off = outcomes.residuals
    own = off.to_numpy()[mask] if off is not None else np.empty(0)
    own = own[np.isfinite(own)]
    return SliceProfile(
        rows=int(mask.sum()),
        prediction=float(outcomes.answer[mask].mean()) if outcomes.answer.ndim == 1 else None,
        residual=float(own.mean()) if len(own) else None,
        residual_sd=float(own.std()) if len(own) else None,
        features=features or {},
    )


def _numbers(values: "pd.Series[Any]") -> FloatArray:
    """Return the numbers of a feature by row, once for all slices; NaN for a cell without one."""
    there, _ = present_values(values, ColumnKind.NUMBER)
    found = np.full(len(values), np.nan)
    found[there.index] = there
    return found


def _mean(cells: FloatArray) -> float | None:
    """Return the mean of a feature in a slice; None where too few cells have a number."""
    there = cells[~np.isnan(cells)]
    mean = float(there.mean()) if len(there) >= LEAST_SLICE else math.nan
    return mean if math.isfinite(mean) else None
