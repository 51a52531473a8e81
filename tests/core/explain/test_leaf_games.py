"""The exact algorithms of trees, against the definition over all coalitions and against LightGBM's own."""

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)

from core.explain import leaf_games
from core.explain.leaf_games import against_background, expected_value, path_dependent
from core.explain.plain_trees import PlainTree, PlainTrees, trees_of_forest, trees_of_lightgbm, trees_of_sklearn
from core.models.learners.flat_forest import FlatForest
from tests.core.explain.ensembles import (
    N_COLUMNS,
    against_all_coalitions,
    along_paths_of_all_coalitions,
    booster,
    table,
)

COLUMNS = range(N_COLUMNS)
MATRIX, TARGET = table()
FILLED = np.nan_to_num(MATRIX, nan=-999.0)
EVENT = (TARGET > 0.5).astype(np.int64)


def lightgbm_numbers():
    found = booster(MATRIX, TARGET, objective="regression")
    return trees_of_lightgbm(found), MATRIX, found.predict(MATRIX)


def lightgbm_zeros_missing():
    rounded = np.round(MATRIX)
    found = booster(rounded, TARGET, objective="regression", zero_as_missing=True)
    return trees_of_lightgbm(found), rounded, found.predict(rounded)


def lightgbm_without_missing():
    found = booster(FILLED, TARGET, objective="regression", use_missing=False)
    return trees_of_lightgbm(found), MATRIX, found.predict(MATRIX)


def lightgbm_third_class():
    classes = np.digitize(TARGET, (-1.0, 1.0))
    found = booster(MATRIX, classes, objective="multiclass", num_class=3)
    return trees_of_lightgbm(found, output=2), MATRIX, found.predict(MATRIX, raw_score=True)[:, 2]


def random_forest():
    found = RandomForestRegressor(n_estimators=8, max_depth=5, random_state=1).fit(MATRIX, TARGET)
    return trees_of_sklearn(found), MATRIX, found.predict(MATRIX)


def random_forest_of_events():
    found = RandomForestClassifier(n_estimators=8, max_depth=5, random_state=1).fit(MATRIX, EVENT)
    return trees_of_sklearn(found, output=1), MATRIX, found.predict_proba(MATRIX)[:, 1]


def gradient_boosting():
    found = GradientBoostingRegressor(n_estimators=10, random_state=1).fit(FILLED, TARGET)
    return trees_of_sklearn(found), FILLED, found.predict(FILLED)


def gradient_boosting_of_events():
    found = GradientBoostingClassifier(n_estimators=10, random_state=1).fit(FILLED, EVENT)
    return trees_of_sklearn(found), FILLED, found.decision_function(FILLED)


def histogram_boosting():
    found = HistGradientBoostingRegressor(max_iter=10, random_state=1).fit(MATRIX, TARGET)
    return trees_of_sklearn(found), MATRIX, found.predict(MATRIX)


def histogram_boosting_of_events():
    found = HistGradientBoostingClassifier(max_iter=10, random_state=1).fit(MATRIX, EVENT)
    return trees_of_sklearn(found), MATRIX, found.decision_function(MATRIX)


def isolation_forest():
    found = IsolationForest(n_estimators=10, max_samples=64, random_state=1).fit(FILLED)
    flat = FlatForest.of(found, n_features=N_COLUMNS)
    return trees_of_forest(flat), FILLED, np.log2(flat.score(FILLED.astype(np.float32)))


ENSEMBLES = [
    lightgbm_numbers,
    lightgbm_zeros_missing,
    lightgbm_without_missing,
    lightgbm_third_class,
    random_forest,
    random_forest_of_events,
    gradient_boosting,
    gradient_boosting_of_events,
    histogram_boosting,
    histogram_boosting_of_events,
    isolation_forest,
]


@pytest.mark.parametrize("make", ENSEMBLES)
def test_plain_trees_answer_as_their_library(make):
    trees, matrix, answer = make()
    assert trees.score(matrix) == pytest.approx(answer, abs=1e-9)


@pytest.mark.parametrize("make", ENSEMBLES)
def test_path_dependent_contributions_are_the_shapley_values_and_sum_to_the_answer(make):
    trees, matrix, answer = make()
    found = path_dependent(trees, matrix, COLUMNS, N_COLUMNS)
    assert found.sum(axis=1) + expected_value(trees) == pytest.approx(answer, abs=1e-9)
    for place in (0, 7, 31):
        assert found[place] == pytest.approx(along_paths_of_all_coalitions(trees, matrix[place]), abs=1e-9)


@pytest.mark.parametrize("make", ENSEMBLES)
def test_background_contributions_are_the_shapley_values_and_sum_to_the_answer(make):
    trees, matrix, answer = make()
    background = matrix[100:130]
    found = against_background(trees, matrix, background, COLUMNS, N_COLUMNS)
    assert found.sum(axis=1) + answer[100:130].mean() == pytest.approx(answer, abs=1e-9)
    for place in (0, 7, 31):
        assert found[place] == pytest.approx(against_all_coalitions(trees, matrix[place], background), abs=1e-9)


def test_path_dependent_contributions_are_those_of_lightgbm_itself():
    found = booster(MATRIX, TARGET, objective="regression")
    own = np.asarray(found.predict(MATRIX, pred_contrib=True))
    trees = trees_of_lightgbm(found)
    assert path_dependent(trees, MATRIX, COLUMNS, N_COLUMNS) == pytest.approx(own[:, :-1], abs=1e-9)
    assert expected_value(trees) == pytest.approx(own[0, -1], abs=1e-9)


@pytest.mark.parametrize("algorithm", ["path-dependent", "background"])
def test_columns_of_one_player_are_known_or_unknown_together(algorithm):
    trees, matrix, _ = lightgbm_numbers()
    players, background = [0, 0, 1, 1, 2, 2], matrix[100:120]
    worths = []
    for coalition in range(8):
        known = np.array([bool(coalition >> player & 1) for player in players])
        worths.append(np.array(trees.score(np.where(known, matrix[3], background)).mean()))
    if algorithm == "background":
        found = against_background(trees, matrix[3:4], background, players, 3)[0]
        from core.explain.shapley import shapley_of_coalitions

        assert found == pytest.approx(np.array(shapley_of_coalitions(worths)), abs=1e-9)
    else:
        found = path_dependent(trees, matrix[3:4], players, 3)[0]
        assert found.sum() == pytest.approx(trees.score(matrix[3:4])[0] - expected_value(trees), abs=1e-9)


def test_few_rows_and_many_rows_get_the_same_contributions():
    trees, matrix, _ = lightgbm_numbers()
    alone = np.vstack([path_dependent(trees, matrix[k : k + 1], COLUMNS, N_COLUMNS) for k in range(20)])
    assert path_dependent(trees, matrix[:20], COLUMNS, N_COLUMNS) == pytest.approx(alone, abs=1e-12)


def test_rows_in_several_batches_get_the_same_contributions(monkeypatch):
    trees, matrix, _ = lightgbm_numbers()
    whole = path_dependent(trees, matrix, COLUMNS, N_COLUMNS)
    monkeypatch.setattr(leaf_games, "MOST_CELLS", 500)
    assert path_dependent(trees, matrix, COLUMNS, N_COLUMNS) == pytest.approx(whole, abs=1e-12)


def test_a_tree_of_one_leaf_contributes_nothing():
    leaf = PlainTree(
        left=np.array([-1]),
        right=np.array([-1]),
        feature=np.array([0]),
        threshold=np.array([0.0]),
        missing_left=np.array([False]),
        value=np.array([3.0]),
        cover=np.array([10.0]),
    )
    trees = PlainTrees((leaf,), constant=1.0)
    rows = np.zeros((2, N_COLUMNS))
    assert not path_dependent(trees, rows, COLUMNS, N_COLUMNS).any()
    assert not against_background(trees, rows, rows, COLUMNS, N_COLUMNS).any()
    assert expected_value(trees) == 4.0
