"""Trees that a library would follow for ever, or out of its memory, are refused before it sees them."""

import io
import json
import re
import zipfile

import lightgbm as lgb
import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)

from core.models.errors import ArtifactError
from core.models.persistence.archive import write_archive
from core.models.persistence.skops_files import dump_estimator, load_estimator
from core.models.persistence.tree_structure import check_xgboost
from core.models.persistence.tree_text import checked_text

RANDOM = np.random.default_rng(8)
X = RANDOM.normal(size=(200, 3))
Y = X[:, 0] + 2.0 * X[:, 2]
QUIET = {"verbosity": -1, "num_threads": 1, "num_leaves": 4, "min_data_in_leaf": 5}


def text_of(objective="regression", target=Y, **more):
    rows = lgb.Dataset(X, label=target)
    return lgb.train({**QUIET, "objective": objective, **more}, rows, num_boost_round=2).model_to_string()


def with_entry(name, value, text=None):
    text = text or text_of()
    assert re.search(rf"^{name}=", text, flags=re.MULTILINE)
    return re.sub(rf"^{name}=.*$", f"{name}={value}", text, count=1, flags=re.MULTILINE)


def test_a_text_of_lightgbm_is_read_as_it_is():
    text = text_of()
    assert lgb.Booster(model_str=checked_text(text, n_features=3)).model_to_string() == text
    three = text_of("multiclass", np.digitize(Y, (-0.5, 0.5)), num_class=3)
    assert "Tree=5" in checked_text(three, n_features=3, n_scores=3)
    alone = text_of(min_data_in_leaf=190)
    assert "num_leaves=1\n" in checked_text(alone, n_features=3)


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(lambda: with_entry("left_child", "1 -1 2"), id="a split that is its own child"),
        pytest.param(lambda: with_entry("left_child", "0_1 -1 -2"), id="a number that two readers read differently"),
        pytest.param(lambda: with_entry("right_child", "-4 2 -90000000"), id="a leaf that does not exist"),
        pytest.param(lambda: with_entry("split_feature", "0 3 0"), id="a column that does not exist"),
        pytest.param(lambda: with_entry("split_feature", "0 -1 0"), id="a column below zero"),
        pytest.param(lambda: with_entry("leaf_value", "0 nan 0 0"), id="a leaf without a number"),
        pytest.param(lambda: with_entry("leaf_value", "0 1e999 0 0"), id="an infinite leaf"),
        pytest.param(lambda: with_entry("num_leaves", "2000000000"), id="more leaves than values"),
        pytest.param(lambda: with_entry("decision_type", "3 2 2"), id="a category without a set"),
        pytest.param(lambda: with_entry("is_linear", "1"), id="linear leaves"),
        pytest.param(lambda: with_entry("num_class", "9"), id="answers beside the room for them"),
        pytest.param(lambda: with_entry("num_tree_per_iteration", "9"), id="trees of other answers"),
        pytest.param(lambda: with_entry("objective", "multiclass num_class:9"), id="an objective of other answers"),
        pytest.param(lambda: with_entry("max_feature_idx", "9"), id="more columns than the model has"),
        pytest.param(lambda: with_entry("feature_names", "end of trees"), id="an end before the trees"),
        pytest.param(lambda: text_of().replace("Tree=1\n", "Tree=1 \n"), id="a heading that two readers read apart"),
        pytest.param(lambda: text_of().replace("num_cat", "x\nnum_cat", 1), id="an entry over two lines"),
        pytest.param(lambda: text_of().replace("num_cat", "num_leaves=4\nnum_cat", 1), id="a repeated entry"),
        pytest.param(lambda: text_of().replace("Tree=0\n", "Tree=0\n" + 25 * "a=1\n"), id="entries nobody reads"),
        pytest.param(lambda: text_of().replace("\n", "\r"), id="other ends of lines"),
        pytest.param(lambda: text_of().replace("\nend of trees\n", "\n\0\nend of trees\n"), id="an early end"),
        pytest.param(lambda: "", id="nothing"),
    ],
)
def test_a_text_that_leads_lightgbm_astray_is_refused(hostile):
    with pytest.raises((ValueError, KeyError)):
        checked_text(hostile(), n_features=3)


def test_sizes_of_trees_are_not_believed():
    assert "tree_sizes" not in checked_text(with_entry("tree_sizes", "999999999 1"), n_features=3)


def edited(blob, edit, *fields):
    """Rewrite the first array of a skops file that has these fields."""
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, content in members.items():
        if not name.endswith(".npy"):
            continue
        array = np.load(io.BytesIO(content), allow_pickle=False)
        if array.dtype.names and set(fields) <= set(array.dtype.names):
            array = array.copy()
            edit(array)
            out = io.BytesIO()
            np.save(out, array)
            members[name] = out.getvalue()
            return write_archive(members)
    raise AssertionError("no such array")


def put(name, node, value):
    def edit(array):
        array[name][node] = value

    return edit


LABELS = (Y > 0).astype(int)
TREES = ("left_child", "right_child", "feature")
HISTOGRAM = ("left", "right", "feature_idx")
KINDS = [
    (RandomForestClassifier(n_estimators=3, random_state=0), LABELS, TREES),
    (GradientBoostingRegressor(n_estimators=3, random_state=0), Y, TREES),
    (IsolationForest(n_estimators=3, random_state=0), None, TREES),
    (HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=5), Y, HISTOGRAM),
]


@pytest.mark.parametrize(("estimator", "target", "fields"), KINDS, ids=lambda kind: type(kind).__name__)
def test_an_estimator_whose_trees_lead_astray_is_refused(estimator, target, fields):
    left, right, feature = fields
    blob, name = dump_estimator(estimator.fit(X, target)), type(estimator).__name__
    load_estimator(blob, expected=name, n_features=3)
    for edit in (put(left, 0, 0), put(right, 0, 1), put(right, 0, 2_000_000_000), put(feature, 0, 3)):
        with pytest.raises(ArtifactError, match=r"damaged: a (split|node)"):
            load_estimator(edited(blob, edit, *fields), expected=name, n_features=3)
    with pytest.raises(ArtifactError, match="column"):
        load_estimator(blob, expected=name, n_features=1)


def test_a_histogram_that_splits_by_categories_is_refused():
    blob = dump_estimator(HistGradientBoostingRegressor(max_iter=1, min_samples_leaf=5).fit(X, Y))
    hostile = edited(blob, put("is_categorical", 0, 1), *HISTOGRAM)
    with pytest.raises(ArtifactError, match="categories"):
        load_estimator(hostile, expected="HistGradientBoostingRegressor", n_features=3)


def test_an_estimator_that_begins_with_another_model_is_refused():
    begins = GradientBoostingRegressor(n_estimators=1, init=IsolationForest(n_estimators=1))
    fitted = GradientBoostingRegressor(n_estimators=1).fit(X, Y)
    fitted.init_ = begins.init.fit(X)
    with pytest.raises(ArtifactError, match="no constant"):
        load_estimator(dump_estimator(fitted), expected="GradientBoostingRegressor", n_features=3)


def xgboost_model(**changes):
    """A model of one split in XGBoost's own JSON."""
    tree = {
        "left_children": [1, -1, -1],
        "right_children": [2, -1, -1],
        "split_indices": [0, 0, 0],
        "split_conditions": [0.1, -1.0, 1.0],
        "default_left": [0, 0, 0],
        "split_type": [0, 0, 0],
        "tree_param": {"num_nodes": "3", "size_leaf_vector": "1"},
    }
    model = {"trees": [tree | changes], "tree_info": [0], "iteration_indptr": [0, 1]}
    parameters = {"num_feature": "3", "num_class": "0", "num_target": "1"}
    return {
        "learner": {
            "gradient_booster": {"name": "gbtree", "model": model},
            "learner_model_param": parameters,
        }
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"left_children": [0, -1, -1]},
        {"left_children": [2, -1, -1]},
        {"right_children": [9, -1, -1]},
        {"right_children": [2, 1, -1]},
        {"split_indices": [3, 0, 0]},
        {"split_indices": [-1, 0, 0]},
        {"split_conditions": [0.1, float("nan"), 1.0]},
        {"split_conditions": [0.1, 1.0]},
        {"split_type": [1, 0, 0]},
        {"tree_param": {"num_nodes": "4", "size_leaf_vector": "1"}},
    ],
    ids=str,
)
def test_a_tree_that_leads_xgboost_astray_is_refused(changes):
    check_xgboost(json.dumps(xgboost_model()).encode(), n_features=3)
    with pytest.raises(ValueError, match="tree 1: "):
        check_xgboost(json.dumps(xgboost_model(**changes)).encode(), n_features=3)


def test_a_model_that_leads_xgboost_astray_is_refused():
    whole = json.dumps(xgboost_model())
    for old, new in (
        ('"tree_info": [0]', '"tree_info": [7]'),
        ('"iteration_indptr": [0, 1]', '"iteration_indptr": [0, 9]'),
        ('"num_class": "0"', '"num_class": "9"'),
        ("gbtree", "dart"),
        ('"num_feature": "3"', '"num_feature": "9"'),
        ('"tree_info"', '"trees": [], "tree_info"'),
        ('{"learner"', ' {"learner"'),
    ):
        assert old in whole
        with pytest.raises(ValueError):  # noqa: PT011 - each has its own message
            check_xgboost(whole.replace(old, new, 1).encode(), n_features=3)
