"""Predictions of rows by members that did not learn from them: what the weights and the meta-learner are fitted to.

A member's predictions of its own training rows look better than its predictions ever will, and the more so the more it
memorises; a combiner that is fitted to them trusts the member that memorises most. Rows of one group share what is
unobserved, so a member that learned from a group has seen the rest of it: folds are made of whole groups.

Sources:
    Wolpert, Stacked generalization, Neural Networks 5 (1992).
    Breiman, Stacked regressions, Machine Learning 24 (1996).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.models.learners.learner import ContinuingLearner
from core.models.learners.samples import Sample, group_folds

T = TypeVar("T")
S = TypeVar("S")
Make = Callable[[], ContinuingLearner]


def out_of_fold(
    makers: Mapping[str, Make], sample: Sample, n_folds: int, *, seed: int
) -> tuple[FloatArray, Sequence[BoolArray]]:
    """Predict every row by members that learned only from the other folds' groups.

    Args:
        makers: Make an untrained member, by its name.
        sample: The rows.
        n_folds: The number of folds; fewer if there are fewer groups.
        seed: Deals groups to folds, and is the seed of every member.
    Returns:
        Scores, shape (n, members), and the folds; no folds, and no scores, if there is only one group.
    """
    folds = group_folds(sample.group, n_folds, seed=seed)
    if len(folds) < 2:
        return np.empty((0, len(makers))), ()
    parts = [(sample.take(~fold), sample.matrices.take(fold)) for fold in folds]

    def scores(task: tuple[Make, int]) -> FloatArray:
        make, k = task
        rest, judged = parts[k]
        member = make()
        member.learn(rest, seed=seed)
        return member.score(judged)

    # Fold by fold and member by member: a slow member's folds are spread over the threads.
    tasks = [(make, k) for make in makers.values() for k in range(len(folds))]
    found = iter(side_by_side(scores, tasks))
    answers = np.zeros((len(sample), len(makers)))
    for position in range(len(makers)):
        for fold in folds:
            answers[fold, position] = next(found)
    return answers, folds


def side_by_side(work: Callable[[S], T], tasks: Sequence[S]) -> list[T]:
    """Do the tasks in as many threads as there are cores, each library on one thread; in the order of the tasks.

    LightGBM and scikit-learn compute outside Python's lock. The results do not depend on the number of threads.
    """
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="member") as threads:
        return list(threads.map(work, tasks))
