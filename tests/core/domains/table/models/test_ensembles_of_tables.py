"""The ensembles of a table: they ship only where they are surely better than the best single method."""

import numpy as np
import pytest

from core.domains.table.models import TableModel
from core.domains.table.models.algorithms import algorithms_for
from core.domains.table.models.choice import choose_with_ensemble
from core.models.errors import UnknownAlgorithmError
from core.tables import Task
from tests.core.domains.table.models.test_table_model import rows, signature_of

FEW = {"members": "linear, hist_gradient_boosting"}


def losses(gain, *, n=400, seed=0):
    rng = np.random.default_rng(seed)
    single = 1.0 + rng.gamma(2.0, 0.2, n)
    return {
        "constant": single + 1.0,
        "linear": single + 0.1 + 0.02 * rng.normal(size=n),
        "lightgbm": single,
        "stacking": single - gain + 0.2 * rng.normal(size=n),
    }


def test_an_ensemble_that_is_surely_better_ships_with_its_improvement():
    choice = choose_with_ensemble(losses(0.1), np.arange(400), "stacking", n_folds=5)

    assert choice.ships == "stacking"
    assert "lightgbm, the best single method" in choice.why
    assert choice.improvement.low > 0


@pytest.mark.parametrize("gain", [0.0, 0.01, -0.1], ids=["nil", "not sure", "worse"])
def test_otherwise_the_single_method_ships_and_the_reason_has_the_improvement(gain):
    choice = choose_with_ensemble(losses(gain), np.arange(400), "stacking", n_folds=5)

    assert choice.ships == "lightgbm"
    worse, unsure = (
        "the loss of stacking is above that of lightgbm, by 0.1",
        "is not shown to be below that of lightgbm",
    )
    assert (worse if gain < 0 else unsure) in choice.why
    assert choice.improvement.low <= 0
    assert [standing.candidate for standing in choice.standings][-1] == "constant"


@pytest.mark.journey
def test_the_report_of_a_table_has_the_members_and_the_improvement():
    model = TableModel.described(
        signature_of("price", Task.REGRESSION, group="desk"),
        algorithm="blending",
        parameters={"members": FEW["members"]},
    )

    model.fit(rows(150), seed=1)

    account = model.report()["ensemble"]
    assert [entry["member"] for entry in account["members"]] == ["linear", "hist_gradient_boosting"]
    assert account["improvement_low"] <= account["improvement"] <= account["improvement_high"]
    assert account["ships"] == (model.report()["ships"] == "blending")


def test_more_than_two_classes_are_not_combined():
    with pytest.raises(UnknownAlgorithmError, match="stacking"):
        TableModel.described(signature_of("speed", Task.CLASSIFICATION), algorithm="stacking")


@pytest.mark.parametrize("members", ["random_forest, linear", "linear, random_forest"])
def test_the_order_of_the_members_does_not_say_which_is_simpler(members):
    learners = algorithms_for(Task.REGRESSION, 0, "voting", {"members": members})
    assert [learner.name for learner in learners] == ["linear", "random_forest", "voting"]
