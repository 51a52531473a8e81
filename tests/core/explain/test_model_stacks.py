"""Explanations of stacks of models: through their members where these are added, else by sampling."""

import numpy as np
import pytest

from core.explain.explainer import Explainer, ExplainMethod
from core.explain.parts import NotAdditiveError
from core.models.model_stack import readable_columns
from tests.core.explain.models import bonds, trained

LINEAR = {"member_algorithm": "linear", "folds": 2}


@pytest.mark.parametrize("name", ["spread", "downgrade"])
def test_a_linear_stack_adds_the_explanations_of_its_members(name):
    model, frame = trained(name, "model_stacking", **LINEAR), bonds()
    explainer = Explainer(model, frame.head(60), columns=list(frame.columns))
    rows = frame.tail(20)

    table = explainer.contributions(rows)

    assert not explainer.is_sampled
    assert explainer.sum_error(table) < 1e-6
    np.testing.assert_allclose(model.anatomy().to_answer(table.margin), model.predict(rows), rtol=1e-4)
    parts = [
        (Explainer(member, frame.head(60), columns=list(frame.columns)), share.weight)
        for member, share in zip(model.bases.values(), model.anatomy().members, strict=True)
    ]
    column = "rating_num"
    added = sum(
        weight * own.contributions(rows).values[:, own.players.index(column)]
        for own, weight in parts
        if column in own.players
    )
    np.testing.assert_allclose(table.values[:, explainer.players.index(column)], added, atol=1e-9)


def test_members_that_grow_trees_are_read_as_trees_are():
    model, frame = trained("downgrade", "model_stacking", member_algorithm="lightgbm", folds=2), bonds()
    explainer = Explainer(model, frame.head(60), columns=list(frame.columns))

    assert explainer.sum_error(explainer.contributions(frame.tail(20))) < 1e-6
    assert set(explainer.players) <= {name for kind in model.base_models.values() for name in readable_columns(kind)}
    assert "LightGBM" in explainer.algorithm


@pytest.mark.parametrize(
    ("name", "meta"), [("joint_stress", "linear"), ("spread", "lightgbm")], ids=["terms of a score", "trees on scores"]
)
def test_what_is_no_sum_of_scores_is_asked_by_sampling_and_says_so(name, meta):
    model, frame = trained(name, "model_stacking", meta_learner=meta, **LINEAR), bonds()
    read = list(model.feature_importance())

    explainer = Explainer(model, frame.head(20), columns=read, n_pairs=2)

    assert explainer.is_sampled
    assert explainer.notes[0] == "The model has only a prediction function."
    assert explainer.sum_error(explainer.contributions(frame.tail(2))) < 1e-6
    with pytest.raises(NotAdditiveError, match=f"{name} cannot be explained by path-dependent"):
        Explainer(model, frame.head(20), columns=read, method=ExplainMethod.PATH_DEPENDENT)


@pytest.mark.journey
def test_a_member_on_another_scale_is_named():
    model, frame = trained("downgrade", "model_stacking", member_algorithm="random_forest", folds=2), bonds()

    explainer = Explainer(model, frame.head(20), columns=list(model.feature_importance()), n_pairs=2)

    assert explainer.is_sampled
    assert "its member downgrade is explained on the scale of probability" in explainer.notes[0]
