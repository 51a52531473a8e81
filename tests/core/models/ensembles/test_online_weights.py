"""Weights that follow outcomes: the bound on what they cost, how fast they leave a member that drifts, and back."""

import numpy as np
import pytest

from core.models.ensembles.online_weights import CLIP, OUTCOMES_TO_HALVE, RATE, SHARE, follow, regret_bound


def world(seed, n, n_members, *, bias=0.0):
    """Members with correlated errors of size one; the first errs by `bias` on top."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=n)
    errors = np.sqrt(0.75) * rng.normal(size=(n, 1)) + 0.5 * rng.normal(size=(n, n_members))
    answers = target[:, None] - errors
    answers[:, 0] += bias
    return answers, target


def equal(n_members):
    return np.full(n_members, 1.0 / n_members)


def summed(answers, target, weights):
    return float(np.square(target - (answers * weights).sum(axis=1)).sum())


@pytest.mark.parametrize("rate", [RATE, 0.002])
@pytest.mark.parametrize("seed", range(6))
def test_no_sequence_of_outcomes_costs_more_than_the_bound(seed, rate):
    """Outcomes that switch sides in runs of random length, against the best fixed and the best moving weights."""
    rng = np.random.default_rng(seed)
    n, n_members = 1_500, 3
    answers = rng.uniform(-1.0, 1.0, size=(n, n_members))
    best = np.repeat(rng.integers(0, n_members, size=60), 25)[:n]
    target = answers[np.arange(n), best] + rng.uniform(-0.2, 0.2, size=n)
    found = follow(answers, target, equal(n_members), unit=1.0, rate=rate)
    moving = np.eye(n_members)[best]
    moves = float(np.abs(np.diff(moving, axis=0)).sum() / 2.0)

    assert found.loss * n - summed(answers, target, moving) <= regret_bound(n, n_members, moves=moves, rate=rate)
    fixed = min(summed(answers, target, weights) for weights in rng.dirichlet(np.ones(n_members), size=200))
    assert found.loss * n - fixed <= regret_bound(n, n_members, rate=rate)


@pytest.mark.truth
def test_a_member_that_drifts_loses_half_its_weight_within_the_stated_number_of_outcomes(truth):
    left, n = 0.0, 12 * truth.scale
    for n_members in (2, 3, 5):
        for seed in range(n):
            for bias, within in ((1.0, OUTCOMES_TO_HALVE), (2.0, OUTCOMES_TO_HALVE // 3)):
                answers, target = world(100 + seed, within, n_members, bias=bias)
                followed = [
                    follow(answers[:k], target[:k], equal(n_members), unit=1.0).weights[0]
                    for k in range(within // 10, within + 1, within // 10)
                ]
                left = max(left, min(followed) * n_members)
    truth.at_most(left, 0.5, n=6 * n)


@pytest.mark.truth
def test_without_drift_moving_weights_cost_at_most_one_per_cent(truth):
    cost, n = 0.0, 4 * truth.scale
    for n_members in (2, 3, 5):
        for seed in range(n):
            answers, target = world(seed, 3_000, n_members)
            unit = float(np.sqrt(np.mean(np.square(target - answers.mean(axis=1)))))
            found = follow(answers, target, equal(n_members), unit=unit)
            cost = max(cost, found.loss / found.loss_of_start - 1.0)
    truth.at_most(cost, 0.01, n=3 * n)


def test_a_member_that_was_bad_for_long_returns():
    bad, good = world(1, 2_000, 2, bias=2.0), world(2, 1_000, 2)
    answers, target = np.vstack((bad[0], good[0])), np.concatenate((bad[1], good[1]))
    answers[2_000:, 1] += 2.0  # now the other one errs

    after_drift = follow(answers[:2_000], target[:2_000], equal(2), unit=1.0).weights
    found = follow(answers, target, equal(2), unit=1.0).weights

    assert after_drift[0] < 0.2
    assert found[0] > 0.8


def test_members_that_err_in_opposite_directions_keep_their_weights():
    rng = np.random.default_rng(5)
    target = rng.normal(size=2_000)
    errors = rng.normal(size=2_000)
    answers = np.column_stack((target - errors, target + 0.9 * errors))

    found = follow(answers, target, equal(2), unit=0.5)

    np.testing.assert_allclose(found.weights, [0.9 / 1.9, 1.0 / 1.9], atol=0.05)


def test_one_absurd_outcome_moves_no_more_than_one_at_the_clip():
    answers = np.array([[0.0, 1.0]])
    at_the_clip = follow(answers, np.array([0.5 + CLIP]), equal(2), unit=1.0)
    absurd = follow(answers, np.array([1e12]), equal(2), unit=1.0)

    np.testing.assert_array_equal(absurd.weights, at_the_clip.weights)
    assert absurd.moved < 0.06


def test_weights_stay_on_the_simplex_and_a_weight_of_nothing_can_grow():
    answers, target = world(3, 500, 3, bias=3.0)
    found = follow(answers, target, np.array([1.0, 0.0, 0.0]), unit=1.0)

    assert found.weights.sum() == pytest.approx(1.0)
    assert (found.weights >= SHARE / 3).all()
    assert found.weights[0] < 0.3
    assert found.farthest >= found.moved > 0.5


def test_weights_stay_between_bounds_at_every_step_and_follow_as_far_as_these_allow():
    answers, target = world(5, 600, 3, bias=3.0)
    low, high = np.array([0.2, 0.0, 0.1]), np.array([1.0, 0.3, 1.0])
    start = np.array([0.5, 0.2, 0.3])

    found = [follow(answers[:n], target[:n], start, unit=1.0, bounds=(low, high)).weights for n in range(1, 601, 7)]

    for weights in found:
        assert weights.sum() == pytest.approx(1.0)
        assert (low - 1e-12 <= weights).all()
        assert (weights <= high + 1e-12).all()
    assert found[-1][0] < 0.4, "the member that drifts"
    wide = follow(answers, target, start, unit=1.0, bounds=(np.zeros(3), np.ones(3)))
    np.testing.assert_allclose(wide.weights, follow(answers, target, start, unit=1.0).weights)
    fixed = follow(answers, target, start, unit=1.0, bounds=(start, start))
    np.testing.assert_allclose(fixed.weights, start)


def test_the_order_of_outcomes_and_nothing_else_decides():
    answers, target = world(4, 400, 3)
    first, again = (follow(answers, target, equal(3), unit=1.0) for _ in range(2))
    halves = follow(
        answers[200:], target[200:], follow(answers[:200], target[:200], equal(3), unit=1.0).weights, unit=1.0
    )

    np.testing.assert_array_equal(first.weights, again.weights)
    np.testing.assert_allclose(halves.weights, first.weights, rtol=1e-9)


def test_no_outcome_moves_nothing():
    found = follow(np.empty((0, 2)), np.empty(0), np.array([0.3, 0.7]), unit=1.0)

    assert (found.weights.tolist(), found.moved, found.n_outcomes, found.loss) == ([0.3, 0.7], 0.0, 0, 0.0)


@pytest.mark.parametrize(
    ("unit", "target", "said"), [(0.0, 1.0, "unit of error is 0.0"), (1.0, np.nan, "not a finite number")]
)
def test_what_cannot_be_followed_is_refused(unit, target, said):
    with pytest.raises(ValueError, match=said):
        follow(np.array([[0.0, 1.0]]), np.array([target]), equal(2), unit=unit)
