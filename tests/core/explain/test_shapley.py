"""Shapley values by sampled orders, against the definition."""

import numpy as np
import pytest

from core.explain.shapley import by_orders, sampled_orders, shapley_of_coalitions


def game(known):
    """Three players: the first alone is worth 3; the others are worth 4 together, and 5 more with the first."""
    first, second, third = known.T.astype(np.float64)
    return 3 * first + 4 * second * third + 5 * first * second * third


COALITIONS = np.array([[bool(k >> player & 1) for player in range(3)] for k in range(8)])
TRUE = np.array([3 + 5 / 3, 2 + 5 / 3, 2 + 5 / 3])


def test_all_coalitions():
    assert np.array(shapley_of_coalitions(list(game(COALITIONS)))) == pytest.approx(TRUE)


def test_orders_sum_to_the_worth_of_all_whatever_they_are():
    found, _ = by_orders(game, sampled_orders(3, 1, seed=0), 3)
    assert found.sum() == pytest.approx(12.0)


def test_sampled_orders_come_within_their_errors():
    found, errors = by_orders(game, sampled_orders(3, 400, seed=0), 3)
    assert (np.abs(found - TRUE) <= 4 * errors + 1e-12).all()
    assert (errors < 0.2).all()


def test_each_order_is_followed_by_its_reverse():
    orders = sampled_orders(5, 3, seed=1)
    assert [order[::-1] for order in orders[::2]] == orders[1::2]
