"""The answers to rows held out of what ships: each row's by a model and a choice that the other rows made.

The best of several candidates looks better on the rows that chose it than on others. So the rows of each fold are
answered by the candidate that the remaining rows choose, with what they settle; that costs no further training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import AnyArray, FloatArray
from core.domains.table.models.choice import CONSTANT, Choice, choose
from core.models.learners.samples import JudgingFold, Sample
from core.models.scores import row_losses


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How a cross-validation answered all rows, on the scale of the learners.

    Attributes:
        answers: Of each repeat to all rows, shape (repeats, n) or (repeats, n, n_classes).
        losses: Of each row, the mean over the repeats, shape (n,).
        constant_losses: Of the constant, shape (n,).
    """

    answers: FloatArray
    losses: FloatArray
    constant_losses: FloatArray


def held_out_by(
    ships: str,
    answers: Mapping[str, Sequence[FloatArray]],
    losses: Mapping[str, FloatArray],
    folds: Sequence[JudgingFold],
    rows: Sample,
    *,
    chosen: Callable[[Mapping[str, FloatArray], AnyArray], Choice] = choose,
) -> HeldOut:
    """Answer the rows of each fold by the candidate that the other rows choose.

    Args:
        ships: What all rows choose. Where that is the constant, it answers every fold: nothing else is to be proven.
            Where it is not, the constant answers no fold: whether the others beat it is what the answers are to prove.
        answers: By candidate, for each fold the answers to its judged rows.
        losses: By candidate, the mean loss of each row, shape (n,).
        folds: Whole repeats of a cross-validation, which judge each row equally often.
        rows: The rows that the folds select from.
        chosen: Chooses by losses and groups, as all rows were chosen by.
    Source:
        Tibshirani and Tibshirani, A bias correction for the minimum error rate in cross-validation, Annals of Applied
        Statistics 3(2), 2009: the choice is judged fold by fold, without another cross-validation inside each fold.
    """
    n_repeats = sum(len(fold.judge) for fold in folds) // len(rows)
    shape = answers[CONSTANT][0].shape[1:]
    found, constant = np.empty((n_repeats, len(rows), *shape)), np.empty((n_repeats, len(rows), *shape))
    turn = np.zeros(len(rows), dtype=np.int64)
    for k, fold in enumerate(folds):
        others = np.ones(len(rows), dtype=np.bool_)
        others[fold.judge] = False
        of_others = {name: loss[others] for name, loss in losses.items() if name != CONSTANT}
        name = CONSTANT if ships == CONSTANT else chosen(of_others, rows.group[others]).ships
        found[turn[fold.judge], fold.judge] = answers[name][k]
        constant[turn[fold.judge], fold.judge] = answers[CONSTANT][k]
        turn[fold.judge] += 1
    own, without = (np.mean([row_losses(rows.target, each) for each in told], axis=0) for told in (found, constant))
    return HeldOut(found, own, without)
