"""The input of a learner: the two feature matrices of a panel, with target, weights and groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from core.arrays import AnyArray, BoolArray, Float32Array, FloatArray, IntArray

HELD_PARTS = 5  # of new rows, of which one part judges what a trained method learns from the others


@dataclass(frozen=True, slots=True)
class Matrices:
    """The two views of the same rows."""

    linear: Float32Array
    trees: AnyArray  # single precision, or double where a row of a table must not lose a digit

    @classmethod
    def of(cls, trees: AnyArray) -> "Matrices":
        """Make the view for learners that read one matrix; the other matrix has no columns."""
        return cls(np.empty((len(trees), 0), dtype=np.float32), trees)

    def take(self, rows: AnyArray) -> "Matrices":
        """Select rows."""
        return Matrices(self.linear[rows], self.trees[rows])

    def __len__(self) -> int:
        return len(self.linear)


@dataclass(frozen=True, slots=True)
class Sample:
    """Training rows.

    Attributes:
        matrices: Features, shape (n, …).
        target: On the scale the model learns on, shape (n,); 0 or 1 for classification.
        weight: The weight of each row, 0 to 1, shape (n,).
        group: Group of each row as a code from 0, shape (n,).
        offset: The linear learner's prediction of these rows before it learned from them, shape (n,), if available.
    """

    matrices: Matrices
    target: FloatArray
    weight: FloatArray
    group: IntArray
    offset: FloatArray | None = None

    def take(self, rows: AnyArray) -> "Sample":
        """Select rows."""
        offset = None if self.offset is None else self.offset[rows]
        return Sample(self.matrices.take(rows), self.target[rows], self.weight[rows], self.group[rows], offset)

    def __len__(self) -> int:
        return len(self.target)


def group_folds(group: IntArray, n_folds: int, *, seed: int) -> list[BoolArray]:
    """Split rows into folds such that no group is in two folds, and folds have about as many groups.

    Returns:
        One mask of held-out rows per fold; fewer than `n_folds` if there are fewer groups.
    """
    # Renumbered among the groups present: a subset of a split must itself split evenly.
    present, code = np.unique(group, return_inverse=True)
    n_folds = min(n_folds, len(present))
    fold = (np.random.default_rng(seed).permutation(len(present)) % n_folds)[code]
    return [fold == k for k in range(n_folds)]


def one_held_out(sample: Sample, *, seed: int) -> tuple[Sample, Sample] | None:
    """Hold a fifth of new rows out, by whole groups: rows to learn from, and rows to judge on.

    Returns:
        None if all rows are of one group.
    """
    folds = group_folds(sample.group, HELD_PARTS, seed=seed)
    return None if len(folds) < 2 else (sample.take(~folds[0]), sample.take(folds[0]))


class JudgingFold(NamedTuple):
    """Rows to learn from and rows to judge on, as positions; the judged rows are not learned from."""

    learn: IntArray
    judge: IntArray


def judges_later(folds: Sequence[JudgingFold]) -> bool:
    """Return whether the folds are windows in time: none learns from rows that the next one judges."""
    return len(folds) > 1 and all(
        not np.isin(later.judge, earlier.learn, assume_unique=True).any() for earlier, later in pairwise(folds)
    )


def folds_apart(folds: Sequence[JudgingFold], fold: JudgingFold) -> list[int]:
    """Return the positions of the folds that judge none of a fold's rows; its own position if there is no such fold.

    What is settled on them for the fold has not seen how the fold's rows are judged.
    """
    own = np.zeros(max(int(each.judge.max()) for each in folds) + 1, dtype=np.bool_)
    own[fold.judge] = True
    found = [k for k, each in enumerate(folds) if not own[each.judge].any()]
    return found or [k for k, each in enumerate(folds) if each is fold]
