"""What a model relies on: importances with intervals from some hundred rows, effects, groups, slices, a surrogate."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from core.arrays import FloatArray, IntArray
from core.explain.association import associated
from core.explain.columns import is_number, numbers_of
from core.explain.deny_list import DenyList
from core.explain.documents import (
    DENIED,
    FeatureGroup,
    FeatureImportance,
    GlobalExplanation,
    SliceImportance,
)
from core.explain.effects import effect_of
from core.explain.explainer import Explainer
from core.explain.interactions import interactions_of
from core.explain.resampling import TAILS, resampled_means
from core.explain.surrogate import imitate

N_ROWS: Final = 500
N_EFFECTS: Final = 6
LEAST_SLICE_ROWS: Final = 10
MOST_SLICE_LEVELS: Final = 12
MOST_SURROGATE_ROWS: Final = 4_000
FEW_UNITS: Final = 20


def explain_globally(
    explainer: Explainer,
    frame: pd.DataFrame,
    *,
    reference: str,
    units: IntArray | None = None,
    slices: Mapping[str, "pd.Series[Any]"] | None = None,
    n_rows: int = N_ROWS,
    denied: DenyList | None = None,
    interactions: bool = False,
    seed: int = 0,
    notes: tuple[str, ...] = (),
) -> GlobalExplanation:
    """Explain a model by a stratified sample of rows.

    Args:
        explainer: Of the model.
        frame: The rows to sample from.
        reference: What the base is the mean of, in words.
        units: The group of each row: rows of a group are resampled together; None if rows are independent.
        slices: The slice of each row, by the name of the slicing.
        n_rows: How many rows are explained.
        denied: The columns that must not appear.
        interactions: Whether pairs of columns are measured, too.
        seed: Of the sample and the resamples.
        notes: What else a reader must know.
    """
    denied = denied or DenyList()
    groups = np.arange(len(frame)) if units is None else np.asarray(units)
    chosen = stratified_rows(explainer.margin(frame), n_rows, seed=seed)
    rows = frame.iloc[chosen].reset_index(drop=True)
    table = explainer.contributions(rows)
    names = denied.names(explainer.players)
    values = denied.merged(table.values, explainer.players)
    sizes = np.abs(values)
    features = _importances(sizes, values, names, rows, groups[chosen], seed=seed)
    visible = [entry.feature for entry in features if entry.feature in frame]
    found_groups = _groups(rows, visible, values, names)
    said = [*explainer.notes, *notes]
    n_units = len(np.unique(groups[chosen]))
    if n_units < FEW_UNITS:
        said.append(f"The rows are of {n_units} groups only, so the intervals are rough.")
    for group in found_groups:
        said.append(
            f"{', '.join(group.features)} go together (association {group.association:.2f}): how they share their "
            "importance says little; read them as one."
        )
    if len(frame) > MOST_SURROGATE_ROWS:
        some = np.sort(np.random.default_rng(seed).permutation(len(frame))[:MOST_SURROGATE_ROWS])
    else:
        some = np.arange(len(frame))
    imitated = frame.iloc[some].reset_index(drop=True)
    paired = interactions_of(explainer, rows, visible, groups[chosen], seed=seed) if interactions else None
    return GlobalExplanation(
        n_rows=len(rows),
        n_units=n_units,
        base=explainer.base,
        reference=reference,
        scale=explainer.scale,
        algorithm=explainer.algorithm,
        method=explainer.method,
        cost=explainer.cost,
        output=explainer.output,
        sum_error=explainer.sum_error(table),
        features=features,
        groups=found_groups,
        effects=tuple(
            effect for name in visible[:N_EFFECTS] if (effect := effect_of(explainer, frame, name)) is not None
        ),
        slices=_slices(sizes, names, slices or {}, chosen, denied),
        surrogate=imitate(imitated, explainer.margin(imitated), visible, groups[some], seed=seed),
        interactions=() if paired is None else paired.found,
        interaction_method="" if paired is None else paired.method,
        notes=tuple(said),
    )


def stratified_rows(margin: FloatArray, n_rows: int, *, seed: int) -> IntArray:
    """Choose rows at random, one from each of as many strata of the margin, in the order of the table.

    >>> stratified_rows(np.array([5.0, 1.0, 3.0]), 10, seed=0).tolist()
    [0, 1, 2]
    """
    if n_rows >= len(margin):
        return np.arange(len(margin))
    order = np.argsort(margin, kind="stable")
    edges = np.linspace(0, len(order), n_rows + 1).round().astype(np.int64)
    rng = np.random.default_rng(seed)
    places = rng.integers(edges[:-1], np.maximum(edges[1:], edges[:-1] + 1))
    return np.sort(order[places])


def _importances(
    sizes: FloatArray,
    values: FloatArray,
    names: tuple[str, ...],
    rows: pd.DataFrame,
    units: IntArray,
    *,
    seed: int,
) -> tuple[FeatureImportance, ...]:
    """Return the importance of each name with its percentile interval over resampled groups."""
    means = resampled_means(sizes, units, seed=seed)
    low, high = np.quantile(means, TAILS, axis=0)
    ranks = 1 + (means[:, None, :] > means[:, :, None]).sum(axis=2)  # equals share the best of their ranks
    best, worst = np.quantile(ranks, TAILS, axis=0, method="nearest")
    whole = sizes.mean(axis=0)
    total = float(whole.sum()) or 1.0
    order = sorted(range(len(names)), key=lambda k: (-whole[k], names[k]))
    return tuple(
        FeatureImportance(
            feature=names[k],
            importance=float(whole[k]),
            low=float(low[k]),
            high=float(high[k]),
            share=float(whole[k]) / total,
            best_rank=int(best[k]),
            worst_rank=int(worst[k]),
            direction=_direction(rows, names[k], values[:, k]),
        )
        for k in order
    )


def _direction(rows: pd.DataFrame, name: str, contribution: FloatArray) -> float | None:
    if name == DENIED or name not in rows or not is_number(rows[name]):
        return None
    numbers = numbers_of(rows[name])
    is_filled = np.isfinite(numbers)
    left, right = rankdata(numbers[is_filled]), rankdata(contribution[is_filled])
    if len(left) < 3 or not left.std() or not right.std():
        return None
    return float(np.corrcoef(left, right)[0, 1])


def _groups(
    rows: pd.DataFrame, visible: list[str], values: FloatArray, names: tuple[str, ...]
) -> tuple[FeatureGroup, ...]:
    at = {name: k for k, name in enumerate(names)}
    moved = [name for name in visible if np.abs(values[:, at[name]]).any()]
    return tuple(
        FeatureGroup(
            features=group,
            association=association,
            importance=float(np.abs(values[:, [at[name] for name in group]].sum(axis=1)).mean()),
        )
        for group, association in associated(rows, moved)
    )


def _slices(
    sizes: FloatArray,
    names: tuple[str, ...],
    slices: Mapping[str, "pd.Series[Any]"],
    chosen: IntArray,
    denied: DenyList,
) -> tuple[SliceImportance, ...]:
    found = []
    for slicing, of_row in slices.items():
        if denied.denies(slicing):
            continue
        levels = of_row.iloc[chosen].reset_index(drop=True)
        counts = levels.dropna().value_counts()
        if len(counts) > MOST_SLICE_LEVELS:
            continue
        for level in sorted(counts.index, key=str):
            is_in = (levels == level).fillna(False).to_numpy(dtype=np.bool_)
            if int(is_in.sum()) >= LEAST_SLICE_ROWS:
                own = sizes[is_in].mean(axis=0)
                order = sorted(range(len(names)), key=lambda k: (-own[k], names[k]))
                found.append(
                    SliceImportance(
                        slicing=slicing,
                        level=str(level),
                        n_rows=int(is_in.sum()),
                        importance={names[k]: float(own[k]) for k in order},
                    )
                )
    return tuple(found)
