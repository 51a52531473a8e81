"""Models under stress are held against the truth of the generator."""

import msgspec
import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.models.anomaly import AnomalyModel
from core.domains.bonds.models.binary import DowngradeModel
from core.domains.bonds.models.spread import SpreadModel
from core.domains.etrm.models.risk import BreachModel, RiskModel
from core.domains.registry import session_domain
from core.errors import UsageError
from core.stress.choosing import drawn_request, label_engine, stress_engine
from core.stress.model_figures import ModelUnderStress
from core.stress.stress_test import StressRequest, chosen_cases
from core.stress.stressed_models import (
    ColumnRange,
    StressedModel,
    shares_beyond,
    stressed_models,
    truth_figures,
)

ENGINE = stress_engine("bonds")
DOMAIN = session_domain("bonds")


class Told:
    """A model that knows the truth in calm and under stress, or only what was true in calm."""

    def __init__(self, kind, calm=None):
        self._kind, self._calm, self._panel = kind, calm, None
        self.name = kind.name

    def judged_rows(self, frame):
        return self._kind.judged_rows(self._kind("linear"), frame)

    def evaluate(self, panel):
        self._panel = panel
        return {"loss": 1.0}

    def expected_answers(self, panel, rows):
        return self._kind("linear").expected_answers(panel, rows)

    def predict(self, rows):
        return self.expected_answers(self._calm or self._panel, rows)


def stressed(models, scenarios=("global_liquidity_freeze",), severities=("mild", "severe"), n_rows=600):
    request = StressRequest(domain="bonds", scenarios=scenarios, severities=severities)
    drawn = drawn_request("bonds", n_rows=n_rows, seed=4)
    return stressed_models(models, ENGINE, drawn, chosen_cases(request), checks=DOMAIN.checks)


def test_a_model_that_knows_the_truth_of_each_scenario_makes_no_error():
    (found,) = stressed([StressedModel("spread", Told(SpreadModel), {})])
    for case in (found.calm, *found.cases):
        assert case.figures["error"] == 0
        assert case.figures["calibration"] == 1
        assert case.figures["ranking"] == pytest.approx(1)


@pytest.mark.parametrize("kind", [SpreadModel, DowngradeModel])
def test_a_model_that_knows_only_calm_errs_by_what_the_shock_moved(kind):
    calm = DOMAIN.draw(drawn_request("bonds", n_rows=600, seed=4))
    (found,) = stressed([StressedModel("m", Told(kind, calm), {})])
    mild, severe = found.cases
    assert found.calm.figures["error"] == 0
    assert 0 < mild.figures["error"] < severe.figures["error"]
    assert severe.figures["calibration"] < mild.figures["calibration"] < 1
    assert severe.figures["bias"] == pytest.approx(-severe.figures["error"])
    assert found.ratio(severe) is None


def test_trained_models_are_judged_and_the_features_that_leave_their_range_are_named():
    train = DOMAIN.draw(drawn_request("bonds", n_rows=500, seed=9))
    spread, anomaly = SpreadModel("linear"), AnomalyModel("isolation_forest")
    for model in (spread, anomaly):
        model.fit(train, seed=1)
    cycle = train.frame["credit_cycle"]
    ranges = {"credit_cycle": ColumnRange(cycle.min(), cycle.max()), "sector": ColumnRange(levels=("banks",))}
    found, other = stressed([StressedModel("spread@1.0.0", spread, ranges), StressedModel("a", anomaly, {})])
    severe = found.cases[1]
    assert found.ratio(severe) > 2
    assert severe.beyond[0].name == "credit_cycle"
    assert severe.beyond[0].share > 0.9
    assert "sector" not in [each.name for each in severe.beyond]  # it is outside in calm as often
    assert "liquidity_index_median" in severe.gates
    assert "liquidity_index_median" not in found.calm.gates
    assert 0 < severe.figures["attainment"] < found.calm.figures["attainment"] <= 1.02
    assert set(other.calm.figures) >= {"loss", "average_precision"}
    assert not any("optimum" in name or name == "attainment" for name in other.calm.figures)
    written = msgspec.json.encode(found)
    assert msgspec.json.decode(written, type=ModelUnderStress) == found


def test_the_same_request_gives_the_same_figures():
    train = DOMAIN.draw(drawn_request("bonds", n_rows=300, seed=9))
    model = SpreadModel("linear")
    model.fit(train, seed=1)
    once, again = (stressed([StressedModel("m", model, {})], n_rows=200) for _ in range(2))
    assert once == again


def test_figures_against_the_truth():
    answer, truth = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0])
    found = truth_figures(answer, truth)
    assert found["error"] == pytest.approx(1)
    assert found["bias"] == pytest.approx(1 / 3)
    assert found["calibration"] == pytest.approx(7 / 6)
    assert found["calibration_error"] == pytest.approx(1 / 2)
    assert found["ranking"] == pytest.approx(0.5)
    assert "ranking" not in truth_figures(np.ones(3), truth)


def test_empty_cells_are_in_their_range():
    rows = pd.DataFrame({"a": [0.0, np.nan, 3.0, 5.0], "b": pd.Categorical(["x", None, "y", "x"])})
    ranges = {"a": ColumnRange(0.0, 3.0), "b": ColumnRange(levels=("x",)), "c": ColumnRange(0.0, 1.0)}
    assert shares_beyond(rows, ranges) == {"a": 0.25, "b": 0.25}


def test_a_domain_without_labels_under_stress_is_refused():
    with pytest.raises(UsageError, match="'loans' draws no labels under stress"):
        label_engine("loans", object())


@pytest.mark.parametrize("kind", [RiskModel, BreachModel])
def test_models_of_deals_are_held_against_their_own_truth(kind):
    domain, engine = session_domain("etrm"), stress_engine("etrm")
    drawn = drawn_request("etrm", n_rows=400, seed=4)
    trained = kind("linear")
    trained.fit(domain.draw(drawn_request("etrm", n_rows=400, seed=9)), seed=1)
    models = [
        StressedModel("calm", Told(kind, domain.draw(drawn)), {}),
        StressedModel("all", Told(kind), {}),
        StressedModel("trained", trained, {}),
    ]
    request = StressRequest(domain="etrm", scenarios=["gas_spike"])
    calm, knowing, found = stressed_models(models, engine, drawn, chosen_cases(request), checks=domain.checks)
    assert calm.calm.figures["error"] == 0
    mild, moderate, severe = (case.figures["error"] for case in calm.cases)
    assert 0 < mild < moderate < severe
    assert [case.figures["error"] for case in knowing.cases] == [0, 0, 0]
    assert all(0 < case.figures["error"] < 1 and case.figures["ranking"] > 0 for case in found.cases)
