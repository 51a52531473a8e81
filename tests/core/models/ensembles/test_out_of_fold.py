"""Out-of-fold scores: from members that never saw the group, so that a planted leak is not exploited."""

import numpy as np
import pytest

from core.executors.in_force import running_on
from core.executors.threads import ThreadExecutor
from core.models.ensembles.out_of_fold import out_of_fold
from core.models.ensembles.weights import MemberErrors, optimise_weights
from core.models.learners.samples import Matrices, Sample

N_GROUPS, EACH = 60, 8


class Witness:
    """A member that notes which groups it learned from, and answers with the mean target of a row's group, or NaN."""

    def __init__(self):
        self.mean = {}

    def learn(self, sample, *, seed):
        group = sample.matrices.trees[:, 0]
        self.mean = {code: float(sample.target[group == code].mean()) for code in np.unique(group)}

    def score(self, matrices):
        return np.array([self.mean.get(code, np.nan) for code in matrices.trees[:, 0]])


class Line:
    """A straight line through the second column."""

    def learn(self, sample, *, seed):
        self.slope, self.base = np.polyfit(sample.matrices.trees[:, 1], sample.target, 1)

    def score(self, matrices):
        return self.base + self.slope * matrices.trees[:, 1]


class Memory:
    """The target of the nearest training row: it memorises groups by the column that gives them away."""

    def learn(self, sample, *, seed):
        self.key, self.target = sample.matrices.trees[:, 2], sample.target

    def score(self, matrices):
        nearest = np.abs(matrices.trees[:, 2][:, None] - self.key).argmin(axis=1)
        return self.target[nearest]


def sample(seed=0):
    """Rows whose target has a large part common to the group, which a column without any meaning gives away."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(N_GROUPS), EACH)
    shared, key = rng.normal(size=N_GROUPS)[group], rng.random(N_GROUPS)[group]
    known = rng.normal(size=len(group))
    target = known + 2.0 * shared + 0.1 * rng.normal(size=len(group))
    matrix = np.column_stack((group, known, key + 1e-6 * rng.random(len(group))))
    return Sample(Matrices.of(matrix), target, np.ones(len(group)), group)


def test_no_member_that_predicts_a_group_has_learned_from_it():
    scores, folds = out_of_fold({"witness": Witness}, sample(), 5, seed=3)

    assert np.isnan(scores).all()
    assert np.sum(folds, axis=0).tolist() == [1] * (N_GROUPS * EACH)


def test_every_row_has_a_score_of_every_member():
    scores, folds = out_of_fold({"line": Line, "memory": Memory}, sample(), 5, seed=3)

    assert scores.shape == (N_GROUPS * EACH, 2)
    assert np.isfinite(scores).all()
    assert len(folds) == 5


def weight_of_memory(rows, groups):
    dealt = Sample(rows.matrices, rows.target, rows.weight, groups)
    scores, _ = out_of_fold({"line": Line, "memory": Memory}, dealt, 5, seed=3)
    return optimise_weights(MemberErrors.of(rows.target[:, None] - scores)).weights[1]


def test_a_planted_leak_of_groups_is_not_exploited():
    rows = sample()

    by_row = weight_of_memory(rows, np.arange(len(rows)))
    by_group = weight_of_memory(rows, rows.group)

    assert by_row > 0.5  # the leak is there: folds of rows trust the member that memorises
    assert by_group < 0.15
    line, memory, fresh = Line(), Memory(), sample(seed=1)
    line.learn(rows, seed=0)
    memory.learn(rows, seed=0)
    losses = [
        np.mean(np.square(fresh.target - (1 - w) * line.score(fresh.matrices) - w * memory.score(fresh.matrices)))
        for w in (by_group, by_row)
    ]
    assert losses[0] < 0.9 * losses[1]


def test_a_single_group_gives_no_scores():
    rows = sample()
    alone = Sample(rows.matrices, rows.target, rows.weight, np.zeros(len(rows), dtype=np.int64))

    scores, folds = out_of_fold({"line": Line}, alone, 5, seed=0)

    assert len(scores) == 0
    assert not folds


@pytest.mark.parametrize("n_cores", [1, 7])
def test_the_number_of_cores_changes_no_score(n_cores):
    expected, _ = out_of_fold({"line": Line, "memory": Memory}, sample(), 4, seed=1)

    with running_on(ThreadExecutor(n_cores)):
        scores, _ = out_of_fold({"line": Line, "memory": Memory}, sample(), 4, seed=1)

    np.testing.assert_array_equal(scores, expected)
