"""Which columns are hard to tell apart, so that how they share an importance says little."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from core.arrays import FloatArray, IntArray
from core.explain.columns import is_number, numbers_of, texts_of

STRONG = 0.8
MOST_LEVELS = 50  # a category with more levels is told apart by chance


def associated(
    frame: pd.DataFrame, names: Sequence[str], *, least: float = STRONG
) -> list[tuple[tuple[str, ...], float]]:
    """Group columns that are associated, directly or through another column.

    Args:
        frame: Rows.
        names: The columns.
        least: From which association on, 0 to 1.
    Returns:
        Groups of two columns or more, with the strongest association in each; the strongest group first.
    Source:
        Between numbers the rank correlation of Spearman; between a number and a category the correlation ratio of the
        ranks; between categories the coefficient of Cramér with the correction of Bergsma, Journal of the Korean
        Statistical Society 42 (2013).
    """
    numbers = {name: _ranks(numbers_of(frame[name])) for name in names if is_number(frame[name])}
    codes = {name: _codes(frame, name) for name in names if name not in numbers}
    usable = [name for name in names if name in numbers or codes[name].max(initial=-1) < MOST_LEVELS]
    leader = {name: name for name in usable}
    strongest: dict[str, float] = {}

    def lead(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for k, one in enumerate(usable):
        for other in usable[:k]:
            if one in numbers and other in numbers:
                found = _rank_correlation(numbers[one], numbers[other])
            elif one in numbers or other in numbers:
                number, category = (one, other) if one in numbers else (other, one)
                found = _correlation_ratio(numbers[number], codes[category])
            else:
                found = _cramer(codes[one], codes[other])
            if found >= least:
                first, second = lead(other), lead(one)
                leader[second] = first
                strongest[first] = max(found, strongest.get(first, 0.0), strongest.pop(second, 0.0))
    groups: dict[str, list[str]] = {}
    for name in usable:
        groups.setdefault(lead(name), []).append(name)
    found_groups = [(tuple(group), strongest[first]) for first, group in groups.items() if len(group) > 1]
    return sorted(found_groups, key=lambda entry: -entry[1])


def _ranks(numbers: FloatArray) -> FloatArray:
    out = np.full(len(numbers), np.nan)
    is_filled = np.isfinite(numbers)
    out[is_filled] = rankdata(numbers[is_filled])
    return out


def _codes(frame: pd.DataFrame, name: str) -> IntArray:
    return np.asarray(pd.factorize(texts_of(frame[name]))[0], dtype=np.int64)


def _rank_correlation(one: FloatArray, other: FloatArray) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    left, right = one[both], other[both]
    if len(left) < 3 or not left.std() or not right.std():
        return 0.0
    return abs(float(np.corrcoef(left, right)[0, 1]))


def _correlation_ratio(ranks: FloatArray, codes: IntArray) -> float:
    known = np.isfinite(ranks) & (codes >= 0)
    values, levels = ranks[known], codes[known]
    total = float(np.sum((values - values.mean()) ** 2)) if len(values) else 0.0
    if not total:
        return 0.0
    counts, sums = np.bincount(levels), np.bincount(levels, weights=values)
    means = np.divide(sums, counts, out=np.zeros(len(counts)), where=counts > 0)
    n_free = len(values) - int((counts > 0).sum())
    if n_free <= 0:
        return 0.0
    within = float(np.sum((values - means[levels]) ** 2)) / n_free
    # Less what chance alone explains of levels of few rows.
    return float(np.sqrt(max(0.0, 1.0 - within / (total / (len(values) - 1)))))


def _cramer(one: IntArray, other: IntArray) -> float:
    known = (one >= 0) & (other >= 0)
    n_rows = int(known.sum())
    if n_rows < 2:
        return 0.0
    left, right = np.unique(one[known], return_inverse=True)[1], np.unique(other[known], return_inverse=True)[1]
    table = np.zeros((int(left.max()) + 1, int(right.max()) + 1))
    np.add.at(table, (left, right), 1.0)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n_rows
    n_left, n_right = table.shape
    phi = float(np.sum((table - expected) ** 2 / expected)) / n_rows
    phi = max(0.0, phi - (n_left - 1) * (n_right - 1) / (n_rows - 1))
    fewer = min(n_left - (n_left - 1) ** 2 / (n_rows - 1), n_right - (n_right - 1) ** 2 / (n_rows - 1)) - 1
    return float(np.sqrt(phi / fewer)) if fewer > 0 else 0.0
