import re

import lightgbm as lgb
import numpy as np
import pytest

from core.models.learners.leaves import gradients, hold_monotone, relearn
from core.models.persistence.tree_text import append_trees, read_trees

QUIET = {"verbosity": -1, "num_threads": 1, "num_leaves": 5, "min_data_in_leaf": 5, "objective": "regression"}
RNG = np.random.default_rng(2)
X = RNG.normal(size=(300, 3))
Y = X[:, 0] + 0.3 * X[:, 1] ** 2 + RNG.normal(0, 0.1, 300)


def grown(target, n_trees, **parameters):
    rows = lgb.Dataset(X, label=target, params={"verbosity": -1})
    settings = {**QUIET, "boost_from_average": False, **parameters}
    return lgb.train(settings, rows, num_boost_round=n_trees)


def test_trees_added_to_trees_score_as_their_sum():
    first, second = grown(Y, 4), grown(-X[:, 2], 3)
    both = lgb.Booster(model_str=append_trees(first.model_to_string(), second.model_to_string()))
    assert both.num_trees() == 7
    np.testing.assert_allclose(both.predict(X), first.predict(X) + second.predict(X), rtol=1e-12)


def test_parsed_trees_give_lightgbms_answers():
    booster = grown(Y, 3)
    shapes, values = read_trees(booster.model_to_string(), n_features=3)
    leaves = booster.predict(X, pred_leaf=True).astype(int)
    total = sum(tree_values[leaves[:, tree]] for tree, tree_values in enumerate(values))
    np.testing.assert_allclose(total, booster.predict(X))
    for shape, tree_values in zip(shapes, values, strict=True):
        found = sorted(shape.leaves_under(int(shape.left[0])) + shape.leaves_under(int(shape.right[0])))
        assert found == list(range(len(tree_values)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("left_child", "999 1 2 3", id="a nonexistent child"),
        pytest.param("left_child", "0 0 0 0", id="a cycle"),
        pytest.param("split_feature", "0 1 2 77", id="a nonexistent column"),
        pytest.param("leaf_value", "0.1 0.2", id="leaves that are missing"),
    ],
)
def test_a_forged_tree_is_refused_before_lightgbm_sees_it(field, value):
    text = re.sub(rf"^{field}=.*$", f"{field}={value}", grown(Y, 1).model_to_string(), flags=re.MULTILINE)
    with pytest.raises(ValueError, match="tree 1 is inconsistent"):
        read_trees(text, n_features=3)


def test_a_tree_that_could_not_split_is_read_too():
    booster = grown(Y, 2, min_data_in_leaf=290)
    shapes, values = read_trees(booster.model_to_string(), n_features=3)
    assert all(len(shape.feature) == 0 and len(v) == 1 for shape, v in zip(shapes, values, strict=True))


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_gradients_are_the_derivatives_of_the_loss(task):
    target, score, step = np.array([0.0, 1.0, 1.0]), np.array([0.3, -1.0, 2.0]), 1e-4

    def loss(at):
        return (at - target) ** 2 / 2 if task == "regression" else np.logaddexp(0, at) - target * at

    gradient, hessian = gradients(task, target, score)
    np.testing.assert_allclose(gradient, (loss(score + step) - loss(score - step)) / (2 * step), atol=1e-6)
    np.testing.assert_allclose(
        hessian, (loss(score + step) - 2 * loss(score) + loss(score - step)) / step**2, atol=1e-5
    )


def test_a_leaf_ends_at_the_mean_over_all_panels_it_has_seen():
    shapes, values = read_trees(grown(Y, 1).model_to_string(), n_features=3)
    leaves = grown(Y, 1).predict(X, pred_leaf=True).astype(np.int64).reshape(1, -1)
    values, evidence = [np.zeros_like(values[0])], [np.zeros_like(values[0])]
    targets = [RNG.normal(leaves[0], 1.0) for _ in range(3)]
    for target in targets:
        relearn(
            task="regression", leaf_of_row=leaves, shapes=shapes, values=values, evidence=evidence, target=target,
            weight=np.ones(300), score=np.zeros(300), rates=np.ones(1), keep=1.0, rising=np.zeros(3, dtype=np.int64),
        )  # fmt: skip
    for leaf in range(len(values[0])):
        seen = np.concatenate([target[leaves[0] == leaf] for target in targets])
        assert values[0][leaf] == pytest.approx(seen.mean())
        assert evidence[0][leaf] == len(seen)


def test_adjusted_leaves_make_every_answer_rise():
    booster = grown(np.sin(3 * X[:, 0]) + X[:, 1], 6, num_leaves=12)
    shapes, values = read_trees(booster.model_to_string(), n_features=3)
    rising = np.array([1, 0, 0])
    for tree, shape in enumerate(shapes):
        hold_monotone(shape, values[tree], rising)
        for leaf, value in enumerate(values[tree]):
            booster.set_leaf_output(tree, leaf, value)
    low, high = X.copy(), X.copy()
    high[:, 0] += np.abs(RNG.normal(size=300))
    assert (booster.predict(high) >= booster.predict(low) - 1e-12).all()
