"""Equal to the shap package to 1e-6, where it is installed: `pip install shap`."""

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression

from core.explain.leaf_games import against_background, expected_value, path_dependent
from core.explain.leaf_interactions import path_dependent_interactions
from core.explain.plain_trees import trees_of_lightgbm, trees_of_sklearn
from core.explain.xgboost_trees import trees_of_xgboost
from tests.core.explain.ensembles import N_COLUMNS, booster, table

shap = pytest.importorskip("shap", reason="the package shap is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")

MATRIX, TARGET = table()
FILLED = np.nan_to_num(MATRIX, nan=-9.0)
COLUMNS = range(N_COLUMNS)


def fitted():
    yield booster(FILLED[:, :5], TARGET, objective="regression"), trees_of_lightgbm, FILLED[:, :5], None
    forest = RandomForestRegressor(n_estimators=10, max_depth=7, random_state=1).fit(FILLED, TARGET)
    yield forest, trees_of_sklearn, FILLED, None
    events = RandomForestClassifier(n_estimators=10, max_depth=7, random_state=1).fit(FILLED, TARGET > 0.5)
    yield events, lambda model: trees_of_sklearn(model, output=1), FILLED, 1
    yield GradientBoostingRegressor(n_estimators=20, random_state=1).fit(FILLED, TARGET), trees_of_sklearn, FILLED, None


@pytest.mark.parametrize("number", range(4))
def test_both_readings_of_trees_are_those_of_shap(number):
    model, read, matrix, output = list(fitted())[number]
    trees, width = read(model), matrix.shape[1]
    single = matrix.astype(np.float32).astype(np.float64)  # shap reads rows in double precision
    path = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    theirs = np.asarray(path.shap_values(single[:50]))
    theirs = theirs if output is None else theirs[..., output]
    assert path_dependent(trees, single[:50], range(width), width) == pytest.approx(theirs, abs=1e-6)
    base = np.ravel(path.expected_value)[0 if output is None else output]
    assert expected_value(trees) == pytest.approx(base, abs=1e-6)
    against = shap.TreeExplainer(model, data=single[100:130], feature_perturbation="interventional")
    theirs = np.asarray(against.shap_values(single[:50], check_additivity=False))
    theirs = theirs if output is None else theirs[..., output]
    found = against_background(trees, single[:50], single[100:130], range(width), width)
    assert found == pytest.approx(theirs, abs=1e-6)


def test_the_closed_form_of_a_linear_model_is_that_of_shap():
    model = LinearRegression().fit(FILLED, TARGET)
    theirs = shap.LinearExplainer(model, FILLED[:50]).shap_values(FILLED[60:80])
    assert (FILLED[60:80] - FILLED[:50].mean(axis=0)) * model.coef_ == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_interactions_of_trees_are_those_of_shap(number):
    model, read, matrix, _ = list(fitted())[number]
    trees, width = read(model), matrix.shape[1]
    single = matrix.astype(np.float32).astype(np.float64)[:30]
    theirs = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent").shap_interaction_values(single)
    found = path_dependent_interactions(trees, single, range(width), width)
    between = ~np.eye(width, dtype=bool)
    assert found[:, between] == pytest.approx(2 * np.asarray(theirs)[:, between], abs=1e-6)


@pytest.mark.parametrize("objective", ["reg:squarederror", "binary:logistic"])
def test_both_readings_of_xgboost_are_those_of_shap_and_of_the_library(objective):
    xgb = pytest.importorskip("xgboost", reason="the extra xgboost is not installed")
    matrix = MATRIX.astype(np.float32).astype(np.float64)
    label = TARGET if objective.startswith("reg") else (TARGET > 0.5).astype(np.float64)
    settings = {"objective": objective, "max_leaves": 15, "grow_policy": "lossguide", "eta": 0.1, "nthread": 1}
    booster_ = xgb.train(settings, xgb.DMatrix(matrix, label=label), 40)
    trees, rows = trees_of_xgboost(booster_, xgb.DMatrix), xgb.DMatrix(matrix[:50])
    assert trees.score(matrix[:50]) == pytest.approx(booster_.predict(rows, output_margin=True), abs=1e-5)
    own = booster_.predict(rows, pred_contribs=True)[:, :-1]
    assert path_dependent(trees, matrix[:50], COLUMNS, N_COLUMNS) == pytest.approx(own, abs=1e-5)  # single precision
    against = shap.TreeExplainer(booster_, data=matrix[100:130], feature_perturbation="interventional")
    found = against_background(trees, matrix[:50], matrix[100:130], COLUMNS, N_COLUMNS)
    assert found == pytest.approx(against.shap_values(matrix[:50], check_additivity=False), abs=1e-6)
    pairs = booster_.predict(rows, pred_interactions=True)[:, :N_COLUMNS, :N_COLUMNS]
    between = ~np.eye(N_COLUMNS, dtype=bool)
    found = path_dependent_interactions(trees, matrix[:50], COLUMNS, N_COLUMNS)
    assert found[:, between] == pytest.approx(2 * pairs[:, between], abs=1e-5)
