"""Which columns act together: exact interactions against the definition, and the H-statistic of a known function."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor

from core.explain.deny_list import DenyList
from core.explain.explainer import Explainer, ExplainMethod
from core.explain.global_explanation import explain_globally
from core.explain.interactions import interactions_of
from core.explain.leaf_games import path_dependent
from core.explain.leaf_interactions import background_interactions, path_dependent_interactions
from core.explain.plain_trees import trees_of_lightgbm, trees_of_sklearn
from core.explain.shapley import interactions_of_coalitions
from tests.core.explain.ensembles import N_COLUMNS, booster, table, worths_against, worths_along_paths
from tests.core.explain.models import bonds, small_table, table_model, trained

COLUMNS = range(N_COLUMNS)
MATRIX, TARGET = table()
FILLED = np.nan_to_num(MATRIX, nan=-999.0)
SMALL = ("size", "age", "noise", "kind")


def all_trees():
    yield trees_of_lightgbm(booster(MATRIX, TARGET, objective="regression")), MATRIX
    forest = RandomForestRegressor(n_estimators=8, max_depth=6, random_state=1).fit(FILLED, TARGET)
    yield trees_of_sklearn(forest), FILLED


def of_definition(worths):
    out = np.zeros((N_COLUMNS, N_COLUMNS))
    for (one, other), found in interactions_of_coalitions(worths).items():
        out[one, other] = out[other, one] = found
    return out


@pytest.mark.parametrize("number", [0, 1], ids=["lightgbm", "forest"])
def test_both_readings_are_those_of_the_definition(number):
    trees, matrix = list(all_trees())[number]
    by_path = path_dependent_interactions(trees, matrix[:5], COLUMNS, N_COLUMNS)
    against = background_interactions(trees, matrix[:5], matrix[100:120], COLUMNS, N_COLUMNS)
    for k in range(5):
        assert by_path[k] == pytest.approx(of_definition(worths_along_paths(trees, matrix[k])), abs=1e-9)
        expected = of_definition(worths_against(trees, matrix[k], matrix[100:120]))
        assert against[k] == pytest.approx(expected, abs=1e-9)
    assert np.abs(by_path).max() > 0.01


def test_columns_of_one_player_do_not_interact_with_each_other():
    trees, matrix = next(all_trees())
    players = [0, 1, 1, 2, 3, 4]  # the second and the third column act as one
    found = path_dependent_interactions(trees, matrix[:20], players, 5)
    assert (found == found.transpose(0, 2, 1)).all()
    assert not found[:, range(5), range(5)].any()
    assert found.any()


def test_a_contribution_is_what_a_column_does_alone_and_half_of_each_interaction():
    trees, matrix = next(all_trees())
    pairs = path_dependent_interactions(trees, matrix[:3], COLUMNS, N_COLUMNS)
    values = path_dependent(trees, matrix[:3], COLUMNS, N_COLUMNS)
    alone = values - pairs.sum(axis=2) / 2
    total = alone.sum(axis=1) + np.triu(pairs, 1).sum(axis=(1, 2))
    assert total == pytest.approx(values.sum(axis=1), abs=1e-9)


def test_the_terms_of_a_linear_design_interact_as_the_definition_says():
    frame = bonds()
    explainer = Explainer(trained("spread", "linear"), frame.head(25), columns=())
    found = explainer.interactions(frame.iloc[30:33])
    assert found.shape == (3, len(explainer.players), len(explainer.players))
    assert np.abs(found).max() > 0
    values = explainer.contributions(frame.iloc[30:33]).values
    # A column that no product reads acts alone; its contribution has no part of an interaction.
    alone = np.abs(found).sum(axis=(0, 2)) == 0
    assert alone.any()
    assert np.abs(values[:, ~alone]).sum() > 0


@dataclass
class Product:
    """Answers a x b + c; only a prediction function is known."""

    name: str = "product"
    task: str = "regression"
    label: str = "y"

    def anatomy(self):
        return None

    def as_strangers(self, frame):
        return frame

    def predict(self, frame):
        return (frame["a"] * frame["b"] + frame["c"]).to_numpy()

    def decide(self, answers):
        return None


def of_product(n_rows=60):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({name: rng.normal(size=n_rows) for name in "abcd"})
    explainer = Explainer(Product(), frame, columns=tuple("abcd"), method=ExplainMethod.PERMUTATION)
    return explainer, frame


def test_the_h_statistic_of_a_product_is_near_one_and_of_a_sum_nothing():
    explainer, frame = of_product()
    found = interactions_of(explainer, frame, list("abcd"), np.arange(60), seed=0)
    by_pair = {each.features: each for each in found.found}
    assert found.found[0].features == ("a", "b")
    assert by_pair["a", "b"].h_statistic > 0.9
    assert all(each.h_statistic < 1e-6 for pair, each in by_pair.items() if pair != ("a", "b"))
    assert by_pair["a", "b"].low is None
    n_answers = 40 * 40 * (4 + 6)
    assert f"{n_answers:,} answers of the model" in found.method
    assert "since the model has no exact algorithm" in found.method


def test_exact_interactions_that_cost_too_much_are_asked_about(monkeypatch):
    monkeypatch.setattr("core.explain.interactions.MOST_PRODUCTS", 10)
    explainer = Explainer(table_model("price", "lightgbm"), small_table().head(40), columns=SMALL)
    found = interactions_of(explainer, small_table(), SMALL, np.arange(200), seed=0)
    assert found.method.startswith("H-statistic of the pairs of the 4 most important columns, since a row of an exact")
    assert all(0 <= each.h_statistic <= 1 for each in found.found)


def test_a_whole_explanation_has_them_where_they_are_asked_for():
    explainer = Explainer(table_model("price", "lightgbm"), small_table().head(40), columns=SMALL)
    plain = explain_globally(explainer, small_table(), reference="40 rows")
    assert (plain.interactions, plain.interaction_method) == ((), "")
    found = explain_globally(explainer, small_table(), reference="40 rows", interactions=True)
    assert found.interaction_method.startswith("exact Shapley interactions of 200 rows, about ")
    assert found.interactions_are_exact
    values = explainer.interactions(small_table())
    strengths = {each.features: each.strength for each in found.interactions}
    one, other = found.interactions[0].features
    at = explainer.players.index
    assert strengths[one, other] == pytest.approx(np.abs(values[:, at(one), at(other)]).mean())
    assert all(each.low <= each.strength <= each.high for each in found.interactions)
    assert list(strengths.values()) == sorted(strengths.values(), reverse=True)


def test_denied_columns_are_in_no_pair():
    explainer = Explainer(table_model("price", "lightgbm"), small_table().head(40), columns=SMALL)
    found = explain_globally(explainer, small_table(), reference="", interactions=True, denied=DenyList(("size",)))
    assert found.interactions
    assert not any("size" in each.features for each in found.interactions)


def test_a_linear_table_model_has_none():
    explainer = Explainer(table_model("price", "linear"), small_table().head(40), columns=SMALL)
    found = explain_globally(explainer, small_table(), reference="", interactions=True)
    assert found.interactions == ()
    assert "exact" in found.interaction_method
