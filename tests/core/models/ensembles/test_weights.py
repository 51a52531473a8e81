"""The weights of an ensemble: on the simplex, within their bounds, and the best there are."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.models.ensembles.weights import MemberErrors, WeightBoundsError, optimise_weights, project


def objective(errors, weights, diversity):
    scale = np.min(np.diag(errors.losses))
    return weights @ errors.losses @ weights + diversity * scale * (weights @ errors.correlations @ weights)


def grid(n_members, steps=40):
    for counts in product(range(steps + 1), repeat=n_members - 1):
        if sum(counts) <= steps:
            yield np.array([*counts, steps - sum(counts)]) / steps


some_errors = st.integers(2, 5).flatmap(
    lambda k: arrays(
        np.float64,
        st.tuples(st.integers(3, 30), st.just(k)),
        elements=st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 3)),
    )
)
strengths = st.sampled_from([0.0, 0.05, 0.5, 3.0])


@settings(max_examples=150, deadline=None)
@given(some_errors, strengths)
def test_the_weights_are_on_the_simplex_and_no_single_member_or_equal_weights_are_better(found, diversity):
    errors = MemberErrors.of(found)

    weighting = optimise_weights(errors, diversity=diversity)

    n_members = found.shape[1]
    assert weighting.weights.sum() == pytest.approx(1.0, abs=1e-9)
    assert (weighting.weights >= 0).all()
    reached = objective(errors, weighting.weights, diversity)
    for other in (*np.eye(n_members), np.full(n_members, 1 / n_members)):
        assert reached <= objective(errors, other, diversity) + 1e-9 * (1 + abs(reached))


@settings(max_examples=100, deadline=None)
@given(some_errors, st.data())
def test_the_weights_stay_within_the_bounds_of_each_member(found, data):
    n_members = found.shape[1]
    low = [data.draw(st.floats(0, 1 / n_members)) for _ in range(n_members)]
    high = [data.draw(st.floats(1 / n_members, 1)) for _ in range(n_members)]

    weights = optimise_weights(MemberErrors.of(found), low=low, high=high).weights

    assert weights.sum() == pytest.approx(1.0, abs=1e-9)
    assert (weights >= np.array(low) - 1e-12).all()
    assert (weights <= np.array(high) + 1e-12).all()


@pytest.mark.parametrize("diversity", [0.0, 0.2, 2.0])
@pytest.mark.parametrize("seed", range(6))
def test_no_point_of_a_grid_over_the_simplex_is_better(seed, diversity):
    rng = np.random.default_rng(seed)
    errors = MemberErrors.of(rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3)) + rng.normal(size=(200, 1)))

    reached = objective(errors, optimise_weights(errors, diversity=diversity).weights, diversity)

    least = min(objective(errors, weights, diversity) for weights in grid(3))
    assert reached <= least + 1e-9
    assert reached >= least - 0.02 * least  # and the grid of steps of 1/40 is close to it


def test_the_gradient_is_the_same_for_all_members_with_a_weight_and_no_less_for_the_others():
    rng = np.random.default_rng(3)
    errors = MemberErrors.of(
        rng.normal(size=(500, 5)) * np.array([1.0, 1.1, 1.2, 1.3, 6.0]) + rng.normal(size=(500, 1))
    )

    weights = optimise_weights(errors).weights

    slope = 2 * errors.losses @ weights
    inside = weights > 1e-6
    assert inside.sum() >= 2
    assert np.ptp(slope[inside]) < 1e-4 * slope.max()
    assert (slope[~inside] >= slope[inside].min() - 1e-4).all()


def test_more_diversity_never_makes_the_errors_of_the_members_more_alike():
    rng = np.random.default_rng(8)
    shared = rng.normal(size=(400, 1))
    found = np.hstack((0.8 * shared + 0.3 * rng.normal(size=(400, 3)), 1.2 * rng.normal(size=(400, 1))))
    errors = MemberErrors.of(found)

    correlations = [optimise_weights(errors, diversity=strength).correlation for strength in (0.0, 0.1, 1.0, 10.0)]

    assert correlations == sorted(correlations, reverse=True)
    assert correlations[-1] < correlations[0] - 0.03


def test_the_unit_of_the_target_does_not_change_the_weights():
    found = np.random.default_rng(1).normal(size=(100, 4))

    for unit in (1e-6, 1.0, 1e6):
        weights = optimise_weights(MemberErrors.of(unit * found), diversity=0.3).weights
        assert weights == pytest.approx(optimise_weights(MemberErrors.of(found), diversity=0.3).weights, abs=1e-4)


def test_sums_over_two_parts_are_the_sums_over_all_rows():
    rng = np.random.default_rng(2)
    found, weight = rng.normal(size=(60, 3)), rng.random(60)

    parts = MemberErrors.of(found[:20], weight[:20]).then(MemberErrors.of(found[20:], weight[20:]))

    whole = MemberErrors.of(found, weight)
    assert parts.products == pytest.approx(whole.products)
    assert parts.losses == pytest.approx(whole.losses)
    assert parts.correlations == pytest.approx(whole.correlations)


def test_a_member_without_any_error_has_all_the_weight():
    found = np.column_stack((np.zeros(50), np.random.default_rng(5).normal(size=50)))

    assert optimise_weights(MemberErrors.of(found)).weights == pytest.approx([1.0, 0.0], abs=1e-6)


def test_without_rows_the_weights_are_equal_as_far_as_the_bounds_allow():
    assert optimise_weights(MemberErrors.none(4)).weights == pytest.approx([0.25] * 4)
    assert optimise_weights(MemberErrors.none(2), high=[0.3, 1.0]).weights == pytest.approx([0.3, 0.7])


@pytest.mark.parametrize(
    ("low", "high", "problem"),
    [
        pytest.param(0.6, 1.0, "sum to 1.2: lower", id="least weights above 1"),
        pytest.param(0.0, 0.4, "sum to 0.8: raise", id="greatest weights below 1"),
        pytest.param([0.5, 0.0], [0.4, 1.0], "member 1 is bounded by 0.5 and 0.4", id="low above high"),
        pytest.param(float("nan"), 1.0, "member 1 is bounded by nan", id="not a number"),
    ],
)
def test_bounds_that_no_weights_meet_are_refused_with_the_reason(low, high, problem):
    with pytest.raises(WeightBoundsError, match=problem):
        optimise_weights(MemberErrors.none(2), low=low, high=high)


def test_an_error_that_is_not_finite_and_a_negative_diversity_are_refused():
    with pytest.raises(ValueError, match="finite"):
        optimise_weights(MemberErrors.of(np.array([[1.0, np.nan], [1.0, 2.0]])))
    with pytest.raises(ValueError, match="diversity is -1"):
        optimise_weights(MemberErrors.none(2), diversity=-1)


@settings(max_examples=200, deadline=None)
@given(arrays(np.float64, st.integers(1, 8), elements=st.floats(-1e3, 1e3)))
def test_the_projection_is_the_closest_point_of_the_simplex(point):
    low, high = np.zeros(len(point)), np.ones(len(point))

    found = project(point, low, high)

    assert found.sum() == pytest.approx(1.0, abs=1e-9)
    for corner in np.eye(len(point)):  # the angle to every corner is at least a right one
        assert (point - found) @ (corner - found) <= 1e-6 * (1 + np.abs(point).max())
