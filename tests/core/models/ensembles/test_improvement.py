"""The improvement over the best single model: claimed only where groups that chose nothing show it."""

import numpy as np
import pytest

from core.models.ensembles.improvement import improvement
from tests.truth import most_expected


def losses(rng, n_groups, gain, *, heavy=False):
    """Losses of two models whose difference has a part common to the group."""
    group = np.repeat(np.arange(n_groups), rng.integers(1, 12, n_groups))
    draw = rng.standard_t(3, size=n_groups) if heavy else rng.normal(size=n_groups)
    single = 1.0 + rng.gamma(2.0, 0.2, len(group))
    return single, single - gain - 0.1 * draw[group] - 0.05 * rng.normal(size=len(group)), group


def test_a_clear_improvement_is_shown_and_its_share_is_of_the_single_loss():
    found = improvement(*losses(np.random.default_rng(0), 200, 0.1), seed=1)

    assert found.is_shown
    assert found.low < found.value < found.high
    assert found.share == pytest.approx(found.value / found.single_loss)
    assert found.n_groups == 200


def test_a_worse_ensemble_has_a_negative_improvement_with_its_interval():
    found = improvement(*losses(np.random.default_rng(0), 200, -0.1), seed=1)

    assert found.high < 0
    assert not found.is_shown


def test_the_same_answers_are_no_improvement():
    single = np.random.default_rng(1).random(50)

    found = improvement(single, single, np.arange(50), seed=0)

    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    assert not found.is_shown


@pytest.mark.parametrize("n_rows", [1, 7])
def test_one_group_shows_nothing(n_rows):
    found = improvement(np.full(n_rows, 2.0), np.full(n_rows, 1.0), np.zeros(n_rows), seed=0)

    assert found.value == 1.0
    assert not found.is_shown


def test_rows_of_one_group_are_one_piece_of_evidence():
    rng = np.random.default_rng(4)
    single = rng.random(30)
    ensemble = single - 0.1 - 0.3 * rng.normal(size=30)

    rows = improvement(single, ensemble, np.arange(30), seed=0)
    copies = improvement(np.repeat(single, 20), np.repeat(ensemble, 20), np.repeat(np.arange(30), 20), seed=0)

    assert copies.value == pytest.approx(rows.value)
    assert (copies.low, copies.high) == pytest.approx((rows.low, rows.high), abs=1e-9)


def test_the_same_seed_gives_the_same_interval():
    found = losses(np.random.default_rng(2), 40, 0.02)

    assert improvement(*found, seed=3) == improvement(*found, seed=3)


@pytest.mark.truth
@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "heavy tails"])
@pytest.mark.parametrize("n_groups", [20, 60])
def test_without_an_improvement_one_is_claimed_no_more_often_than_stated(n_groups, heavy, truth):
    n_trials = 300 * truth.scale
    rng = np.random.default_rng(n_groups)

    claimed = sum(
        improvement(*losses(rng, n_groups, 0.0, heavy=heavy), seed=k, n_resamples=400).is_shown for k in range(n_trials)
    )

    truth.at_most(claimed / n_trials, most_expected(0.025, n_trials), n=n_trials)
