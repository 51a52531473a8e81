"""The learners: properties of every fit-once learner, and of one method used in both ways."""

import numpy as np
import pytest

from core.models.algorithms import ALGORITHMS
from core.models.learners.algorithms import continuing, fit_once
from core.models.learners.ensembles import (
    FEW_ROWS,
    GradientBoostingLearner,
    HistGradientBoostingLearner,
    RandomForestLearner,
)
from core.models.learners.learner import ContinuingLearner, FitOnceLearner
from core.models.learners.lightgbm_trees import LightGbmLearner
from core.models.learners.reservoir import HistGradientBoostingReservoir
from core.models.learners.samples import JudgingFold, Matrices, Sample

ROWS = 300
FOLDS = [
    JudgingFold(np.flatnonzero(np.arange(ROWS) % 3 != k), np.flatnonzero(np.arange(ROWS) % 3 == k)) for k in range(3)
]


class Columns:
    """Two numbers and a category of three levels."""

    tree_columns = ("column_0", "column_1", "column_2")
    n_levels = (0, 0, 3)
    category_positions = [2]


def sample(n_classes: int, *, seed: int = 1) -> Sample:
    rng = np.random.default_rng(seed)
    matrix = np.column_stack((rng.normal(size=ROWS), rng.normal(size=ROWS), rng.integers(0, 3, ROWS)))
    signal = 2 * matrix[:, 0] + (matrix[:, 2] == 1) + rng.normal(size=ROWS) / 4
    target = np.digitize(signal, np.quantile(signal, np.arange(1, n_classes) / n_classes)) if n_classes else signal
    matrix[::9, 1] = np.nan
    return Sample(Matrices.of(matrix), target.astype(np.float64), np.ones(ROWS), np.arange(ROWS))


CASES = [
    pytest.param(fit_once("linear"), 0, id="linear, numbers"),
    pytest.param(fit_once("linear"), 2, id="linear, two classes"),
    pytest.param(fit_once("linear"), 4, id="linear, four classes"),
    pytest.param(fit_once("lightgbm"), 0, id="lightgbm, numbers"),
    pytest.param(fit_once("lightgbm"), 2, id="lightgbm, two classes"),
    pytest.param(fit_once("lightgbm"), 4, id="lightgbm, four classes"),
    pytest.param(fit_once("hist_gradient_boosting"), 0, id="histogram, numbers"),
    pytest.param(fit_once("hist_gradient_boosting"), 2, id="histogram, two classes"),
    pytest.param(fit_once("stacking"), 0, id="stacking, numbers"),
    pytest.param(fit_once("blending"), 2, id="blending, two classes"),
    pytest.param(RandomForestLearner, 2, id="random forest, two classes"),
    pytest.param(GradientBoostingLearner, 0, id="gradient boosting, numbers"),
]


def learned(kind, n_classes):
    learner = kind(Columns(), "classification" if n_classes else "regression", {}, n_classes=n_classes)
    learner.tune(sample(n_classes), FOLDS, seed=3)
    learner.learn(sample(n_classes), seed=3)
    return learner


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_has_the_learners_that_it_names(name):
    named = ALGORITHMS[name]
    assert named.continuing or named.fit_once
    for place, load, kind in (
        (named.continuing, continuing, ContinuingLearner),
        (named.fit_once, fit_once, FitOnceLearner),
    ):
        if place is None:
            with pytest.raises(KeyError, match=name):
                load(name)
        else:
            assert issubclass(load(name), kind)
    if named.fit_once:
        assert fit_once(name).name == name


@pytest.mark.parametrize(("kind", "n_classes"), CASES)
def test_a_learner_answers_rows_it_has_not_seen_better_than_a_constant(kind, n_classes):
    asked = sample(n_classes, seed=5)
    answer = learned(kind, n_classes).answer(asked.matrices.trees)
    if n_classes:
        assert answer.shape == (ROWS, n_classes)
        np.testing.assert_allclose(answer.sum(axis=1), 1.0)
        assert np.mean(answer.argmax(axis=1) == asked.target) > 0.6
    else:
        assert answer.shape == (ROWS,)
        assert np.mean(np.square(answer - asked.target)) < np.var(asked.target) / 4


@pytest.mark.parametrize(("kind", "n_classes"), CASES)
def test_a_restored_learner_gives_the_same_answers_and_the_same_bytes(kind, n_classes):
    learner = learned(kind, n_classes)
    again = kind(Columns(), learner.task, {}, n_classes=n_classes)
    again.restore(*learner.dump())
    matrix = sample(n_classes, seed=5).matrices.trees
    np.testing.assert_array_equal(again.answer(matrix), learner.answer(matrix))
    (state, arrays, files), (same_state, same_arrays, same_files) = learner.dump(), again.dump()
    assert (state, files) == (same_state, same_files)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, same_arrays[name])


def test_strange_rows_score_highest():
    rows = sample(0)
    rows.matrices.trees[7] = (40.0, -40.0, 2)
    forest = fit_once("isolation_forest")(Columns(), "detection", {})
    forest.learn(rows, seed=1)
    scores = forest.answer(rows.matrices.trees)
    assert int(scores.argmax()) == 7
    assert scores[7] > forest.threshold


def test_trees_may_weigh_rows():
    rows = sample(0)
    weight = (rows.matrices.trees[:, 0] > 0).astype(np.float64)
    for kind in (LightGbmLearner, RandomForestLearner, HistGradientBoostingLearner):
        learner = kind(Columns(), "regression", {})
        learner.tune(rows, FOLDS, seed=1)
        losses = []
        for believed in (None, weight + 1e-3):
            learner.fit(rows.matrices.trees, rows.target, believed, seed=1)
            misses = learner.answer(rows.matrices.trees) - rows.target
            losses.append(float(np.average(np.square(misses), weights=weight)))
        assert losses[1] != losses[0], kind


def test_a_panel_without_a_single_event_is_answered_with_certainty_cut_off():
    rows = sample(2)
    forest = RandomForestLearner(Columns(), "classification", {"n_estimators": 5})
    forest.fit(rows.matrices.trees, np.zeros(ROWS), None, seed=1)
    np.testing.assert_array_equal(forest.answer(rows.matrices.trees), np.tile([1.0, 0.0], (ROWS, 1)))
    assert np.isfinite(forest.score(rows.matrices.trees)).all()


@pytest.mark.parametrize("n_classes", [0, 2, 4])
def test_a_forest_answers_few_rows_by_its_trees_as_scikit_learn_answers_all(n_classes):
    forest = learned(RandomForestLearner, n_classes)
    rows = sample(n_classes, seed=5).matrices.trees
    whole = forest.estimator.predict_proba(rows) if n_classes else forest.estimator.predict(rows)

    assert len(rows) > FEW_ROWS
    assert np.isnan(rows).any()
    np.testing.assert_array_equal(np.concatenate([forest.answer(row[None]) for row in rows]), whole)
    np.testing.assert_array_equal(forest.answer(rows[:FEW_ROWS]), whole[:FEW_ROWS])


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # of 1e300 to the single precision of trees
@pytest.mark.parametrize("beyond", [np.inf, -np.inf, 1e300])
def test_a_forest_refuses_infinite_values_of_few_rows_as_of_many(beyond):
    forest = learned(RandomForestLearner, 0)

    with pytest.raises(ValueError, match="infinity"):
        forest.answer(np.array([[beyond, 0.0, 1.0]]))


def test_a_method_in_a_reservoir_uses_the_settings_of_continued_learning():
    reservoir = HistGradientBoostingReservoir(Columns(), "regression", {"max_iter": 5})
    assert reservoir.fitted.parameters == {**HistGradientBoostingReservoir.defaults, "max_iter": 5}
    reservoir.learn(sample(0), seed=1)
    expected = HistGradientBoostingLearner(Columns(), "regression", {"max_iter": 5}, defaults=reservoir.defaults)
    expected.fit(sample(0).matrices.trees, sample(0).target, np.ones(ROWS), seed=1)
    np.testing.assert_array_equal(reservoir.score(sample(0).matrices), expected.score(sample(0).matrices.trees))
