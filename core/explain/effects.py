"""How the margin moves along one column."""

import numpy as np
import pandas as pd

from core.arrays import FloatArray
from core.explain.columns import is_number, is_time, numbers_of, shown_cell, texts_of
from core.explain.documents import FeatureEffect
from core.explain.explainer import Explainer

N_BINS = 20
MOST_LEVELS = 12
ROWS_OF_LEVEL = 200


def effect_of(explainer: Explainer, frame: pd.DataFrame, feature: str) -> FeatureEffect | None:
    """Return accumulated local effects of a number, or partial dependence on a category.

    None for a time, and for a column that never varies.

    Source:
        Apley and Zhu, Visualizing the effects of predictor variables in black box supervised learning models, Journal
        of the Royal Statistical Society B 82 (2020), equations 15 and 16: only small changes of real rows are asked
        about, so correlated columns do not lead to impossible rows.
    """
    if is_time(frame[feature]):
        return None
    return (_accumulated if is_number(frame[feature]) else _by_level)(explainer, frame, feature)


def _accumulated(explainer: Explainer, frame: pd.DataFrame, feature: str) -> FeatureEffect | None:
    numbers = numbers_of(frame[feature])
    is_filled = np.isfinite(numbers)
    rows, numbers = frame[is_filled].reset_index(drop=True), numbers[is_filled]
    if len(numbers) < 2:
        return None
    # Edges are values that occur, so that a column of whole numbers or flags is asked about values it has.
    edges = np.unique(np.quantile(numbers, np.linspace(0.0, 1.0, N_BINS + 1), method="inverted_cdf"))
    if len(edges) < 2:
        return None
    at = np.clip(np.searchsorted(edges, numbers, side="left"), 1, len(edges) - 1)
    steps = explainer.margin(_set(rows, feature, edges[at])) - explainer.margin(_set(rows, feature, edges[at - 1]))
    counts = np.bincount(at, minlength=len(edges)).astype(np.float64)
    mean = np.divide(
        np.bincount(at, weights=steps, minlength=len(edges)), counts, out=np.zeros(len(edges)), where=counts > 0
    )
    curve = np.cumsum(mean)
    middle = (curve[1:] + curve[:-1]) / 2.0
    curve -= float((counts[1:] * middle).sum() / counts[1:].sum())
    return FeatureEffect(
        feature=feature,
        kind="ale",
        points=tuple(shown_cell(edge) for edge in edges.tolist()),
        values=tuple(map(float, curve)),
    )


def _set(rows: pd.DataFrame, feature: str, values: FloatArray) -> pd.DataFrame:
    dtype = rows[feature].dtype
    # Flags and whole numbers keep their type, since a model may have checked it.
    kept = values.astype(dtype) if isinstance(dtype, np.dtype) and dtype.kind in "biuf" else values
    return rows.assign(**{feature: kept})


def _by_level(explainer: Explainer, frame: pd.DataFrame, feature: str) -> FeatureEffect | None:
    texts = texts_of(frame[feature])
    levels = texts.dropna().value_counts().index[:MOST_LEVELS].tolist()
    if len(levels) < 2:
        return None
    step = max(1, len(frame) // ROWS_OF_LEVEL)
    rows = frame.iloc[::step].reset_index(drop=True)
    first = {level: frame[feature][texts == level].iloc[0] for level in levels}
    means = {}
    for level in levels:
        column = pd.Series([first[level]] * len(rows), dtype=frame[feature].dtype)
        means[level] = float(explainer.margin(rows.assign(**{feature: column})).mean())
    shares = texts.value_counts()
    weights = np.array([float(shares[level]) for level in levels])
    centre = float(np.average([means[level] for level in levels], weights=weights))
    ordered = sorted(levels, key=lambda level: means[level])
    return FeatureEffect(
        feature=feature,
        kind="partial dependence",
        points=tuple(map(str, ordered)),
        values=tuple(means[level] - centre for level in ordered),
    )
