"""Which columns a model keeps: those that say more of the target than their shadows do, on most of several folds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.executors.in_force import executor
from core.executors.packing import PlainValue
from core.executors.work import Work
from core.models.features.scores import mutual_information, tree_gains
from core.models.features.shadows import shadows_of
from core.models.learners.samples import group_folds
from core.seeds import derive_seed

SelectionMethod: TypeAlias = Literal["importance", "mutual_information", "recursive"]

ROUNDS, FEW_ROUNDS = 12, 6
"""Shadows that a column is compared with on each fold; fewer for mutual information, which takes longer."""
ALPHA = 0.05
"""How often a fold may keep any one of the columns that say nothing."""
MAJORITY = 0.5
"""Share of the folds that must keep a column."""
DROPPED = 0.2
"""Share of the columns that a step of the recursive method drops."""


@dataclass(frozen=True, slots=True)
class FeatureVerdict:
    """What was found about a column.

    Attributes:
        name: Its name.
        score: Mean over the folds: its share of the gain, or its mutual information in nats.
        shadow: The same of the best shadow.
        kept_on: Share of the folds that keep it.
        is_kept: Whether the model keeps it.
    """

    name: str
    score: float
    shadow: float
    kept_on: float
    is_kept: bool


def selected(
    matrix: AnyArray,
    target: FloatArray,
    group: IntArray,
    names: Sequence[str],
    categories: Sequence[int],
    *,
    method: SelectionMethod,
    most: int,
    is_class: bool,
    n_folds: int,
    seed: int,
) -> tuple[FeatureVerdict, ...]:
    """Choose columns, the strongest first.

    Args:
        matrix: Shape (n, columns).
        target: Shape (n,): numbers, or 0 and 1.
        group: Group of each row as a code, shape (n,); folds are made of whole groups.
        names: Of the columns.
        categories: The positions of the columns that hold codes.
        method: How a column is judged.
        most: The most columns to keep.
        is_class: Whether the target is a class.
        n_folds: Folds on which the choice is repeated; each leaves one part of the groups out.
        seed: The random seed.
    Returns:
        A verdict on each column. The strongest column is always kept: a model needs one.
    """
    folds = group_folds(group, n_folds, seed=seed) or [np.zeros(len(target), dtype=np.bool_)]

    def task(number: int) -> "_Task":
        rows = ~folds[number] if len(folds) > 1 else np.ones(len(target), dtype=np.bool_)
        own = derive_seed(seed, "selection", number)
        return _Task(matrix[rows], target[rows], group[rows], tuple(categories), is_class, own)

    work: Work[int, tuple[BoolArray, FloatArray, float]] = Work(
        title="folds of the choice of columns",
        here=lambda number: task(number).chosen(method, most),
        there=ColumnsOfFold,
        shared=lambda: {"method": method, "most": most},
        sent=lambda number: task(number).sent(),
    )
    found = executor().map(work, list(range(len(folds))))
    share = np.mean([kept for kept, _, _ in found], axis=0)
    score = np.mean([scores for _, scores, _ in found], axis=0)
    shadow = np.mean([best for _, _, best in found], axis=0)
    order = sorted(range(len(names)), key=lambda place: (-share[place], -score[place], names[place]))
    chosen = {place for place in order[:most] if share[place] > MAJORITY} or {order[0]}
    return tuple(
        FeatureVerdict(names[place], float(score[place]), float(shadow), float(share[place]), place in chosen)
        for place in order
    )


@dataclass(frozen=True, slots=True)
class _Task:
    """The choice on the rows of one fold."""

    matrix: AnyArray
    target: FloatArray
    group: IntArray
    categories: tuple[int, ...]
    is_class: bool
    seed: int

    def sent(self) -> PlainValue:
        """Return it as a plain value."""
        return {name: getattr(self, name) for name in _Task.__slots__}

    def chosen(self, method: SelectionMethod, most: int) -> tuple[BoolArray, FloatArray, float]:
        """Return which columns are kept, the score of each, and that of the best shadow."""
        return self.recursive(most) if method == "recursive" else self.against_shadows(method)

    def against_shadows(self, method: SelectionMethod) -> tuple[BoolArray, FloatArray, float]:
        """Count how often each column beats the best shadow, and keep those that do so too often for luck."""
        n, n_rounds = self.matrix.shape[1], FEW_ROUNDS if method == "mutual_information" else ROUNDS
        wins, total, best = np.zeros(n), np.zeros(n), 0.0
        for turn in range(n_rounds):
            rng = np.random.default_rng(derive_seed(self.seed, "shadows", turn))
            both = np.concatenate((self.matrix, shadows_of(self.matrix, self.group, rng)), axis=1)
            codes = (*self.categories, *(place + n for place in self.categories))
            found = self._score(method, both, codes, turn)
            own, shadow = found[:n], float(found[n:].max(initial=0.0))
            wins += own > shadow
            total += own
            best += shadow
        return wins >= least_wins(n_rounds, n), total / n_rounds, best / n_rounds

    def recursive(self, most: int) -> tuple[BoolArray, FloatArray, float]:
        """Drop the weakest columns step by step down to `most`, then those that do not beat their shadows."""
        n = self.matrix.shape[1]
        left = np.arange(n)
        gains = np.zeros(n)
        for step in range(n):
            codes = [place for place, column in enumerate(left.tolist()) if column in self.categories]
            found = _shares(
                tree_gains(self.matrix[:, left], self.target, codes, is_class=self.is_class, seed=self.seed + step)
            )
            gains[left] = found
            if len(left) <= most:
                break
            n_left = max(most, min(len(left) - 1, math.ceil(len(left) * (1.0 - DROPPED))))
            left = np.sort(left[np.argsort(-found, kind="stable")[:n_left]])
        rest = _Task(
            self.matrix[:, left],
            self.target,
            self.group,
            tuple(place for place, column in enumerate(left.tolist()) if column in self.categories),
            self.is_class,
            self.seed,
        )
        keep_left, score, shadow = rest.against_shadows("importance")
        keep, scores = np.zeros(n, dtype=np.bool_), np.zeros(n)
        keep[left], scores[left] = keep_left, score
        return keep, scores, shadow

    def _score(self, method: SelectionMethod, matrix: AnyArray, codes: Sequence[int], turn: int) -> FloatArray:
        seed = derive_seed(self.seed, "trees", turn)
        if method == "mutual_information":
            return mutual_information(matrix, self.target, codes, is_class=self.is_class, seed=seed)
        return _shares(tree_gains(matrix, self.target, codes, is_class=self.is_class, seed=seed))


class ColumnsOfFold:
    """The choice on the rows of one fold, on a worker."""

    def __init__(self, shared: PlainValue) -> None:
        self._method: SelectionMethod = shared["method"]
        self._most = int(shared["most"])

    def do(self, task: PlainValue) -> PlainValue:
        """Choose."""
        return _Task(**task).chosen(self._method, self._most)


def least_wins(n_rounds: int, n_columns: int) -> int:
    """Return how many rounds a column must win, so that luck keeps one of all columns in `ALPHA` of the cases.

    A column that says nothing wins a round half of the time at most, and hardly ever against the best of many shadows.

    >>> least_wins(12, 10), least_wins(12, 1)
    (11, 10)
    """
    chance = 0.0
    for wins in range(n_rounds, 0, -1):
        chance += math.comb(n_rounds, wins) * 0.5**n_rounds
        if chance > ALPHA / n_columns:
            return min(n_rounds, wins + 1)
    return 1


def _shares(gains: FloatArray) -> FloatArray:
    total = float(gains.sum())
    return gains / total if total > 0 else gains
