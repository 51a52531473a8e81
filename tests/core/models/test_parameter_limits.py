"""The limits of parameters: what is taken trains, and what the libraries would refuse is refused before."""

import pytest

from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import create
from core.models.learners.algorithms import algorithms_for
from core.models.parameters import ParameterValueError, require_usable

LIMITS = (0, 1)
ALGORITHMS = ("lightgbm", "random_forest", "gradient_boosting", "hist_gradient_boosting")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_least_value_that_is_taken_trains(algorithm: str) -> None:
    bonds = generate(PanelSettings(n_rows=60, seed=1))
    defaults = {name: value for kind in algorithms_for(algorithm).values() for name, value in kind.defaults.items()}
    refused, trained = set(), set()
    for name in sorted(name for name, value in defaults.items() if not isinstance(value, str)):
        for value in LIMITS:
            try:
                model = create("spread", algorithm=algorithm, settings={name: value})
            except ParameterValueError:
                refused.add((name, value))
                continue
            model.update(bonds, seed=1)
            trained.add((name, value))
    assert trained
    if algorithm == "lightgbm":
        assert {("num_leaves", 0), ("num_leaves", 1), ("max_bin", 1), ("learning_rate", 0)} <= refused
        assert ("lambda_l2", 0) in trained


def test_zero_is_taken_where_it_is_the_default_or_limits_nothing() -> None:
    require_usable("lightgbm", {"num_leaves": 0, "learning_rate": 0.0}, {"num_leaves": 0, "learning_rate": 0.0})
    require_usable("xgboost", {"max_depth": 0}, {"max_depth": 6})
    with pytest.raises(ParameterValueError, match="expected a whole number of at least 1"):
        require_usable("random_forest", {"max_depth": 0}, {"max_depth": 6})
    with pytest.raises(ParameterValueError, match="expected a number above 0, at most 1"):
        require_usable("lightgbm", {"feature_fraction": 0.0}, {"feature_fraction": 0.8})
    with pytest.raises(ParameterValueError, match="expected a whole number from 2 to 255"):
        require_usable("hist_gradient_boosting", {"max_bins": 10**12}, {"max_bins": 63})
