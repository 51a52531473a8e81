"""A column that names the group says nothing of new groups: folds of whole groups see that, folds of rows do not."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor

from core.models.learners.samples import group_folds
from core.models.tuning.ranges import NumberRange
from core.models.tuning.search import Search, SearchPlan
from core.models.tuning.trial import best_of

N_GROUPS, FRESH_GROUPS, PER_GROUP = 120, 1_000, 8
RANGES = {"weight": NumberRange(0.0001, 100.0, is_log=True)}  # of the leak in the distance of two rows


def rows(rng, n_groups):
    """The signal explains a little of the target; the rest is the group's own, which the second column gives away."""
    group = np.repeat(np.arange(n_groups), PER_GROUP)
    signal = rng.normal(size=len(group))
    own = rng.normal(size=n_groups)[group]
    leak = rng.permutation(n_groups)[group].astype(float)
    return np.column_stack((signal, leak)), 0.7 * signal + 1.5 * own + 0.3 * rng.normal(size=len(group)), group


class Neighbours:
    """The mean of the nearest rows."""

    def __init__(self, x, y, parameters):
        self._scale = np.array([1.0, parameters["weight"]])
        self._model = KNeighborsRegressor(n_neighbors=5).fit(x * self._scale, y)

    def predict(self, x):
        return self._model.predict(x * self._scale)


def searched(x, y, group, *, seed):
    """Return the best trial over folds of `group`."""
    folds = group_folds(group, 5, seed=seed)

    def evaluate(parameters, fold):
        held = folds[fold]
        return float(np.square(y[held] - Neighbours(x[~held], y[~held], parameters).predict(x[held])).mean())

    search = Search(SearchPlan("random_search", RANGES, {"weight": 1.0}, 20, True, seed))
    trials = []
    while not search.is_done(trials):
        fold_rows = [int(fold.sum()) for fold in folds]
        trials += search.run_batch(trials, lambda tasks: [evaluate(*task) for task in tasks], fold_rows=fold_rows)
    return best_of(trials)


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_group_leak_is_not_exploited(seed):
    rng = np.random.default_rng(seed)
    x, y, group = rows(rng, N_GROUPS)
    fresh_x, fresh_y, _ = rows(rng, FRESH_GROUPS)

    by_group, by_row = searched(x, y, group, seed=seed), searched(x, y, np.arange(len(y)), seed=seed)

    of_group, of_row = (
        float(np.square(fresh_y - Neighbours(x, y, best.parameters).predict(fresh_x)).mean())
        for best in (by_group, by_row)
    )
    assert by_group.loss == pytest.approx(of_group, rel=0.35)
    assert by_row.loss < 0.5 * of_row  # the control: folds of rows fall for it
