import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from core.models.learners.flat_forest import CHUNK_ROWS, FlatForest


def rows(n, *, seed=0, n_features=4):
    return np.random.default_rng(seed).standard_t(3, size=(n, n_features)).astype(np.float32)


@pytest.mark.parametrize(
    ("options", "n_fit"),
    [
        pytest.param({}, 2_000, id="as it comes"),
        pytest.param({"n_estimators": 1}, 500, id="one tree"),
        pytest.param({"max_samples": 2}, 500, id="two rows a tree"),
        pytest.param({"max_features": 0.5}, 500, id="trees with columns of their own"),
        pytest.param({"max_samples": 1.0}, 3_000, id="deep trees"),
        pytest.param({"n_estimators": 3}, 1, id="trees of a single leaf"),
    ],
)
def test_scores_are_those_of_scikit_learn(options, n_fit):
    fitted = IsolationForest(random_state=1, **options).fit(rows(n_fit))
    asked = rows(CHUNK_ROWS + 17, seed=2)
    found = FlatForest.of(fitted, n_features=4).score(asked)
    np.testing.assert_allclose(found, -fitted.score_samples(asked), rtol=0, atol=1e-12)


def test_values_right_on_a_threshold_go_left_as_in_scikit_learn():
    whole = np.round(rows(400) * 2) / 2
    fitted = IsolationForest(random_state=0).fit(whole)
    forest = FlatForest.of(fitted, n_features=4)
    on_it = np.repeat(forest.threshold[forest.children[:, 0] != np.arange(len(forest.children))][:300, None], 4, axis=1)
    asked = on_it.astype(np.float32)
    np.testing.assert_allclose(forest.score(asked), -fitted.score_samples(asked), rtol=0, atol=1e-12)


def test_a_rows_score_does_not_depend_on_the_rows_beside_it():
    forest = FlatForest.of(IsolationForest(random_state=0).fit(rows(300)), n_features=4)
    asked = rows(2 * CHUNK_ROWS + 1, seed=3)
    np.testing.assert_array_equal(forest.score(asked)[-5:], forest.score(asked[-5:]))
    assert forest.score(asked[:0]).shape == (0,)


def test_a_forest_survives_storage_byte_for_byte():
    forest = FlatForest.of(IsolationForest(random_state=0).fit(rows(300)), n_features=4)
    again = FlatForest.restore(forest.dump(), n_features=4)
    for name, array in forest.dump().items():
        assert again.dump()[name].tobytes() == array.tobytes()
    np.testing.assert_array_equal(again.score(rows(50)), forest.score(rows(50)))
    np.testing.assert_array_equal(again.splits, forest.splits)
