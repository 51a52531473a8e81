"""A small tree that imitates the model, and how well it does: what one can say of the model in a few sentences."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from core.arrays import AnyArray, FloatArray, IntArray
from core.explain.columns import is_number, is_tellable, numbers_of, texts_of
from core.explain.documents import Surrogate
from core.explain.masked_values import coarse, told_levels

MOST_DEPTH: Final = 5
LEAST_ROWS: Final = 40
N_FOLDS: Final = 4
_LEAF_SHARE: Final = 0.01
_LEAST_DIGITS: Final = 4  # of a threshold
_MOST_DIGITS: Final = 17
_MOST_SHOWN: Final = 12  # levels of a category in a sentence


def imitate(
    frame: pd.DataFrame,
    margin: FloatArray,
    names: Sequence[str],
    units: IntArray,
    *,
    masks: Callable[[str], bool] = lambda name: False,
    seed: int,
) -> Surrogate | None:
    """Fit a tree to the margin, and measure it on rows held out, whole groups at a time.

    Args:
        frame: Rows.
        margin: The model's margin, shape (n,).
        names: The columns that may appear.
        units: The group of each row.
        masks: Says of which columns no value may appear: rules tell how many levels they are about, and numbers of two
            digits.
        seed: Of the folds.
    Returns:
        None if there are fewer than 40 rows, fewer than two groups or no column, or every margin is the same.
        Margins are clipped at their 1 % and 99 % quantiles.
    Source:
        Craven and Shavlik, Extracting tree-structured representations of trained networks, NeurIPS 1995: a tree fitted
        to the model's answers, and its fidelity to them.
    """
    margin = _tame(margin)
    names = [name for name in names if is_tellable(frame[name])]
    _, codes = np.unique(units, return_inverse=True)
    n_units = int(codes.max(initial=-1)) + 1
    if len(frame) < LEAST_ROWS or n_units < 2 or not names or not margin.std():
        return None
    fold = np.random.default_rng(seed).permutation(n_units)[codes] % min(N_FOLDS, n_units)
    told = np.zeros(len(frame))
    for number in range(int(fold.max()) + 1):
        held = fold == number
        design = _Design(frame[~held], margin[~held], names)
        told[held] = _fit(design.matrix(frame[~held]), margin[~held], seed).predict(design.matrix(frame[held]))
    fidelity = 1.0 - float(np.sum((margin - told) ** 2) / np.sum((margin - margin.mean()) ** 2))
    design = _Design(frame, margin, names)
    matrix = design.matrix(frame)
    tree = _fit(matrix, margin, seed)
    rules = _rules(tree.tree_, design, matrix, masks)
    leaves = tree.apply(matrix)
    off = {leaf: float(np.sqrt(np.mean((margin - told)[leaves == leaf] ** 2))) for leaf in rules}
    worst = max(off, key=lambda leaf: off[leaf])
    return Surrogate(
        fidelity=fidelity,
        rules=tuple(f"{rule}: {tree.tree_.value[leaf].item():.4g}" for leaf, rule in rules.items()),
        disagrees=f"{rules[worst]}: off by {off[worst]:.3g}",
    )


def _tame(margin: FloatArray) -> FloatArray:
    """Clip the margin at its 1 % and 99 % quantiles, so that no single row decides what the tree learns."""
    low, high = np.quantile(margin, (0.01, 0.99)) if len(margin) else (0.0, 0.0)
    return np.clip(margin, low, high) if high > low else margin


class _Design:
    """Columns as numbers: a category by the order of its levels' mean margins."""

    def __init__(self, frame: pd.DataFrame, margin: FloatArray, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.levels: dict[str, list[str]] = {}
        for name in names:
            if not is_number(frame[name]):
                means = pd.Series(margin).groupby(texts_of(frame[name]).to_numpy(dtype=object)).mean()
                self.levels[name] = [str(level) for level in means.sort_values(kind="stable").index]

    def matrix(self, frame: pd.DataFrame) -> AnyArray:
        columns = []
        for name in self.names:
            if name in self.levels:
                place = {level: float(k) for k, level in enumerate(self.levels[name])}
                columns.append(texts_of(frame[name]).map(place).to_numpy(dtype=np.float64, na_value=np.nan))
            else:
                columns.append(numbers_of(frame[name]))
        with np.errstate(over="ignore"):
            cells = np.column_stack(columns).astype(np.float32)
        return np.where(np.isinf(cells), np.float32(np.nan), cells)

    def condition(self, column: int, threshold: float, goes_left: bool, cells: AnyArray, *, is_masked: bool) -> str:
        name = self.names[column]
        if name not in self.levels:
            limit = f"{coarse(threshold):g}" if is_masked else _told(threshold, cells)
            return f"{name} {'<=' if goes_left else '>'} {limit}"
        levels = self.levels[name]
        split = int(np.floor(threshold)) + 1
        inside = levels[:split] if goes_left else levels[split:]
        if is_masked:
            return f"{name} {told_levels(len(inside), len(levels))}"
        more = f" and {len(inside) - _MOST_SHOWN} more" if len(inside) > _MOST_SHOWN else ""
        return f"{name} in {{{', '.join(inside[:_MOST_SHOWN])}{more}}}"


def _fit(matrix: AnyArray, margin: FloatArray, seed: int) -> Any:
    from sklearn.tree import DecisionTreeRegressor

    least = max(5, round(_LEAF_SHARE * len(margin)))
    return DecisionTreeRegressor(max_depth=MOST_DEPTH, min_samples_leaf=least, random_state=seed).fit(matrix, margin)


def _told(threshold: float, cells: AnyArray) -> str:
    """Return a threshold in as few digits as part the cells of its column as it does."""
    parted = cells <= threshold
    texts = (f"{threshold:.{digits}g}" for digits in range(_LEAST_DIGITS, _MOST_DIGITS))
    return next((text for text in texts if np.array_equal(cells <= float(text), parted)), repr(threshold))


def _rules(tree: Any, design: _Design, matrix: AnyArray, masks: Callable[[str], bool]) -> dict[int, str]:
    """Return each leaf with its conditions, of several on one side of a column the tightest."""
    found: dict[int, str] = {}
    waiting: list[tuple[int, dict[tuple[int, bool], float]]] = [(0, {})]
    while waiting:
        node, path = waiting.pop()
        if tree.children_left[node] < 0:
            words = [
                design.condition(column, threshold, left, matrix[:, column], is_masked=masks(design.names[column]))
                for (column, left), threshold in path.items()
            ]
            share = tree.n_node_samples[node] / len(matrix)
            found[node] = f"{' and '.join(words) or 'every row'} ({share:.0%} of rows)"
            continue
        column, threshold = int(tree.feature[node]), float(tree.threshold[node])
        for child, left in ((tree.children_right[node], False), (tree.children_left[node], True)):
            waiting.append((int(child), {**path, (column, left): threshold}))
    return found
