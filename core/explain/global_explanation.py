"""What a model relies on: importances with intervals from some hundred rows, effects, groups, slices, a surrogate."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from core.arrays import FloatArray, IntArray
from core.errors import UsageError
from core.explain.association import associated
from core.explain.columns import is_number, numbers_of
from core.explain.deny_list import NONE_DENIED, DenyList
from core.explain.documents import (
    DENIED,
    FeatureGroup,
    FeatureImportance,
    GlobalExplanation,
    SliceImportance,
)
from core.explain.effects import effect_of
from core.explain.explainer import Explainer
from core.explain.importance_figures import importance_figures
from core.explain.interactions import interactions_of
from core.explain.masked_values import masked_effect
from core.explain.reference_parts import standard_error
from core.explain.surrogate import imitate

N_ROWS: Final = 500
N_EFFECTS: Final = 6
LEAST_SLICE_ROWS: Final = 10
MOST_SLICE_LEVELS: Final = 12
MOST_SURROGATE_ROWS: Final = 4_000
FEW_UNITS: Final = 20
MOST_ROWS_OF_PARTS: Final = 100  # that are explained against parts of the reference rows, too


def explain_globally(
    explainer: Explainer,
    frame: pd.DataFrame,
    *,
    reference: str,
    units: IntArray | None = None,
    slices: Mapping[str, "pd.Series[Any]"] | None = None,
    n_rows: int = N_ROWS,
    denied: DenyList = NONE_DENIED,
    interactions: bool = False,
    seed: int = 0,
    notes: tuple[str, ...] = (),
) -> GlobalExplanation:
    """Explain a model by a stratified sample of rows.

    Args:
        explainer: Of the model.
        frame: The rows to sample from.
        reference: What the base is the mean of, in words.
        units: The group of each row: rows of a group are one piece of evidence; None if rows are independent.
        slices: The slice of each row, by the name of the slicing.
        n_rows: How many rows are explained.
        denied: The columns that must not appear, and those of which no value may.
        interactions: Whether pairs of columns are measured, too.
        seed: Of the sample.
        notes: What else a reader must know.
    Raises:
        UsageError: No row is to be explained.
    """
    if n_rows < 1:
        raise UsageError(f"n_rows is {n_rows:,}: at least one row explains a model.")
    groups = np.arange(len(frame)) if units is None else np.asarray(units)
    chosen = stratified_rows(explainer.margin(frame), n_rows, seed=seed)
    rows = frame.iloc[chosen].reset_index(drop=True)
    table = explainer.contributions(rows)
    names = denied.names(explainer.players)
    values = denied.merged(table.values, explainer.players)
    sizes = np.abs(values)
    # Rows are in the order of the table: every so many of them are of all strata of the margin, more or less.
    parts = explainer.by_part(rows.iloc[:: -(-len(rows) // MOST_ROWS_OF_PARTS)].reset_index(drop=True))
    by_part = [np.abs(denied.merged(part, explainer.players)).mean(axis=0) for part in parts]
    features = _importances(sizes, values, names, rows, groups[chosen], by_part)
    visible = [entry.feature for entry in features if entry.feature in frame]
    found_groups = _groups(rows, visible, values, names)
    said = [*explainer.notes, *notes]
    moved = [(entry.reference_error, entry) for entry in features if entry.reference_error is not None]
    if moved and (most := max(moved, key=lambda each: each[0]))[0] > 0:
        said.append(
            f"Other reference rows would change the importances: {most[1].feature} most, by {most[0]:.2g} "
            "(standard error)."
        )
    n_units = len(np.unique(groups[chosen]))
    if n_units < FEW_UNITS:
        said.append(f"The rows are of {n_units} groups only, so the intervals are wide.")
    if table.errors is not None and explainer.is_sampled:
        said.append("Contributions were sampled, which adds noise to their sizes: small importances are overstated.")
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
        scale=denied.scale_of_answers(explainer.scale),
        algorithm=explainer.algorithm,
        method=explainer.method,
        cost=explainer.cost,
        output=explainer.output,
        sum_error=explainer.sum_error(table),
        features=features,
        groups=found_groups,
        effects=tuple(
            masked_effect(effect) if denied.hides_values(name) else effect
            for name in visible[:N_EFFECTS]
            if (effect := effect_of(explainer, frame, name)) is not None
        ),
        slices=_slices(sizes, names, slices or {}, chosen, denied),
        surrogate=imitate(
            imitated, explainer.margin(imitated), visible, groups[some], masks=denied.hides_values, seed=seed
        ),
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
    by_part: list[FloatArray],
) -> tuple[FeatureImportance, ...]:
    """Return the importance of each name, the largest first."""
    errors = standard_error(by_part) if by_part else None
    found = importance_figures(sizes, units)
    order = sorted(range(len(names)), key=lambda k: (-found.means[k], names[k]))
    return tuple(
        FeatureImportance(
            feature=names[k],
            importance=float(found.means[k]),
            low=_known(found.low[k]),
            high=_known(found.high[k]),
            share=float(found.shares[k]),
            best_rank=int(found.best_ranks[k]),
            worst_rank=int(found.worst_ranks[k]),
            direction=_direction(rows, names[k], values[:, k]),
            share_error=_known(found.share_errors[k]),
            reference_error=None if errors is None else float(errors[k]),
        )
        for k in order
    )


def _known(figure: float) -> float | None:
    return float(figure) if np.isfinite(figure) else None


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
        if denied.hides_values(slicing):
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
