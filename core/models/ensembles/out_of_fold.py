"""Predictions of rows by members that did not learn from them: what the weights and the meta-learner are fitted to.

A member's predictions of its own training rows look better than its predictions ever will, and the more so the more it
memorises; a combiner that is fitted to them trusts the member that memorises most. Rows of one group share what is
unobserved, so a member that learned from a group has seen the rest of it: folds are made of whole groups.

Sources:
    Wolpert, Stacked generalization, Neural Networks 5 (1992).
    Breiman, Stacked regressions, Machine Learning 24 (1996).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.executors.in_force import executor
from core.executors.packing import PlainValue
from core.executors.work import Work
from core.models.learners.learner import ContinuingLearner
from core.models.learners.makers import Maker, sent_sample, taken_sample
from core.models.learners.samples import Sample, group_folds

S = TypeVar("S")
T = TypeVar("T")
Make = Callable[[], ContinuingLearner]


class OutOfFold:
    """The scores of one fold on a worker, by a member that learned from the other folds."""

    def __init__(self, shared: PlainValue) -> None:
        self._parts = _Parts(taken_sample(shared["sample"]), shared["folds"])
        self._makers = [Maker.taken(maker) for maker in shared["makers"]]
        self._seed = int(shared["seed"])

    def do(self, task: PlainValue) -> PlainValue:
        """Return the scores by member and fold, which the task numbers."""
        position, k = task
        return self._parts.scores(self._makers[position], k, seed=self._seed)


def out_of_fold(
    makers: Mapping[str, Make], sample: Sample, n_folds: int, *, seed: int
) -> tuple[FloatArray, Sequence[BoolArray]]:
    """Predict every row by members that learned only from the other folds' groups.

    The work of every fold and member is one task of the executor in force.

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
    parts, made = _Parts(sample, folds), list(makers.values())
    sendable = [make for make in made if isinstance(make, Maker)]

    def shared() -> PlainValue:
        return {
            "sample": sent_sample(sample),
            "folds": folds,
            "makers": [make.sent() for make in sendable],
            "seed": seed,
        }

    work: Work[tuple[int, int], FloatArray] = Work(
        title="folds of the members",
        here=lambda task: parts.scores(made[task[0]], task[1], seed=seed),
        there=OutOfFold if len(sendable) == len(made) else None,
        shared=shared,
    )
    # Fold by fold and member by member: a slow member's folds are spread over the workers.
    found = iter(executor().map(work, [(position, k) for position in range(len(made)) for k in range(len(folds))]))
    answers = np.zeros((len(sample), len(made)))
    for position in range(len(made)):
        for fold in folds:
            answers[fold, position] = next(found)
    return answers, folds


def side_by_side(work: Callable[[S], T], tasks: Sequence[S]) -> list[T]:
    """Do tasks that cannot leave this process in threads, each library on one thread; in the order of the tasks.

    LightGBM and scikit-learn compute outside Python's lock. The results do not depend on the number of threads.
    """
    return executor().map(Work(title="members", here=work), tasks)


class _Parts:
    """For each fold the rows to learn from, and the features of the rows to judge."""

    def __init__(self, sample: Sample, folds: Sequence[BoolArray]) -> None:
        self._parts = [(sample.take(~fold), sample.matrices.take(fold)) for fold in folds]

    def scores(self, make: Make, k: int, *, seed: int) -> FloatArray:
        """Score the rows of a fold by a member that learned from the others."""
        rest, judged = self._parts[k]
        member = make()
        member.learn(rest, seed=seed)
        return member.score(judged)
