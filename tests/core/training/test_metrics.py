"""What the engine accepts as a metric of a model, whoever wrote the model."""

import math
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from core.models import Attainment, Panel
from core.training.errors import LearningError
from core.training.failure import failure_of
from core.training.metrics import UnusableMetricError, finite, measured, measured_with_interval, plain

PANEL = Panel(frame=None)


def model(metrics, attainment=None):
    return SimpleNamespace(evaluate=lambda panel: metrics, attainment=lambda panel, *, seed: attainment)


def an_attainment(**changes) -> Attainment:
    numbers = np.float64(0.5)
    fields = dict.fromkeys(("value", "optimum", "attainment", "low", "high", "gini"), numbers)
    return Attainment(**{"metric": "r2", **fields, "leak": np.bool_(False), "n_rows": np.int64(3)} | changes)


def test_numbers_of_numpy_become_plain_numbers():
    metrics = measured(model({"loss": np.float64(2.0), "n": np.int64(3), "r2": 1}), "price", PANEL, domain="houses")
    assert metrics == {"loss": 2.0, "n": 3.0, "r2": 1.0}
    assert {type(value) for value in metrics.values()} == {float}


def test_a_metric_that_could_not_be_measured_is_left_out():
    figures = measured(model({"loss": 1.0, "auc": math.nan, "odds": np.inf}), "price", PANEL, domain="houses")
    assert finite(figures) == {"loss": 1.0}


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        (0.9, "returned float; it must return a dict of metrics by name"),
        ({"loss": "low"}, "returned 'low' as loss; a metric must be a number"),
        ({"loss": None}, "returned None as loss; a metric must be a number"),
        ({"loss": np.array([1.0])}, r"returned array\(\[1.\]\) as loss"),
        ({1: 0.5}, "named a metric 1; a name must be a string"),
    ],
)
def test_anything_else_is_refused_with_the_names_of_the_domain_the_model_and_the_member(metrics, says):
    with pytest.raises(UnusableMetricError, match=f"The model 'price' of the domain 'houses': `evaluate` {says}") as no:
        measured(model(metrics), "price", PANEL, domain="houses")
    failure = failure_of(no.value)
    assert LearningError(failure.reason, kind=failure.kind).is_hopeless, "no retry"


def test_an_attainment_of_numpy_numbers_can_be_written_as_json():
    metrics = measured_with_interval(model({"loss": 1.0}, an_attainment()), "price", PANEL, seed=0, domain="houses")
    assert msgspec.json.decode(msgspec.json.encode(metrics)) == metrics
    assert (metrics["attainment"], metrics["leak"]) == (0.5, 0.0)
    found = an_attainment()
    assert (type(found.value), type(found.leak), type(found.n_rows)) == (float, bool, int)


def test_an_attainment_of_something_else_is_refused():
    with pytest.raises(UnusableMetricError, match="`attainment` returned float; it must return"):
        measured_with_interval(model({"loss": 1.0}, 0.9), "price", PANEL, seed=0, domain="houses")
    with pytest.raises(TypeError, match=r"Attainment\.low must be a number, but is None"):
        an_attainment(low=None)


def test_what_a_model_tells_of_itself_becomes_plain():
    told = plain({"n": np.int64(3), "shares": [np.float32(0.5)]}, "price", "report", domain="houses")
    assert told == {"n": 3, "shares": [0.5]}
    assert type(told["n"]) is int
    with pytest.raises(UnusableMetricError, match="`report` returned a ndarray; it must return plain JSON values"):
        plain({"n": np.array([1])}, "price", "report", domain="houses")
