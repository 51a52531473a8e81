from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import expit

from core.domains.bonds.data import labels, ratings
from core.domains.bonds.data.history import simulate
from core.domains.bonds.data.issuers import MAX_LIFE, draw_issuers, draw_reviews
from core.domains.bonds.data.macro import macro_path
from core.domains.draws import stream

N_PATHS = 200


class Lives(NamedTuple):
    """All observed years of issuers that lived on many macro paths."""

    notch: np.ndarray
    next_notch: np.ndarray
    downgraded: np.ndarray
    upgraded: np.ndarray
    defaulted: np.ndarray
    p_down: np.ndarray
    path: np.ndarray


def lives(n_years: int, n_paths: int) -> Lives:
    """Simulate issuers as panels do, as many on each path."""
    found = []
    for seed in range(n_paths):
        path = macro_path.__wrapped__(seed, n_years)
        issuers = draw_issuers(stream(seed, "issuers"), 1_600, path.n_months)
        reviews = draw_reviews(stream(seed, "reviews"), 1_600, MAX_LIFE)
        history = simulate(seed, issuers, reviews, path)
        chance = labels.frailty_integrated(history.eta_down)
        columns = (history.notch, history.next_notch, history.downgraded, history.upgraded, history.defaulted, chance)
        found.append([*(c[history.observed] for c in columns), np.full(history.observed.sum(), seed)])
    return Lives(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


@pytest.fixture(scope="module")
def simulated() -> Lives:
    return lives(20, N_PATHS)


def test_simulated_moves_return_the_letter_matrix(simulated):
    notch, moves = simulated.notch, simulated
    counts = np.zeros((21, 22))
    np.add.at(counts, (notch, moves.next_notch), 1)
    seen = ratings.letter_matrix(counts / counts.sum(axis=1, keepdims=True))
    error = np.abs(seen - ratings.letter_matrix(ratings.notch_matrix()))
    assert error[0].max() <= 0.011
    assert error[1:].max() <= 0.006


def test_simulated_moves_return_the_notch_table(simulated):
    notch, moves = simulated.notch, simulated
    n = np.bincount(notch, minlength=21)
    for happened, chance in (
        (moves.downgraded, ratings.down_probability()),
        (moves.upgraded, ratings.up_probability()),
        (moves.defaulted, ratings.DEFAULT_RATE),
    ):
        error = np.bincount(notch, happened, 21) / n - chance
        assert (np.abs(error) <= 4.5 * np.sqrt(chance * (1 - chance) / n) + 0.002).all()


def test_moves_are_consistent(simulated):
    notch, moves = simulated.notch, simulated
    assert not (moves.downgraded & moves.upgraded).any()
    assert (moves.downgraded[moves.defaulted]).all()
    assert (moves.next_notch[moves.defaulted] == 21).all()
    assert (moves.next_notch[moves.downgraded] > notch[moves.downgraded]).all()
    assert (moves.next_notch[moves.upgraded] < notch[moves.upgraded]).all()
    still = ~moves.downgraded & ~moves.upgraded
    assert (moves.next_notch[still] == notch[still]).all()
    assert moves.next_notch.min() >= 0


def test_the_best_rating_cannot_rise_nor_have_a_positive_outlook(simulated):
    notch, moves = simulated.notch, simulated
    assert not moves.upgraded[notch == 0].any()


def test_frailty_is_integrated_exactly():
    odds = np.linspace(-6, 4, 11)
    draws = 0.25 * np.random.default_rng(0).standard_normal(200_000)
    simulated = np.array([expit(value + draws).mean() for value in odds])
    assert labels.frailty_integrated(odds) == pytest.approx(simulated, abs=5e-4)
    assert labels.frailty_integrated(odds) != pytest.approx(expit(odds), abs=5e-4)


def test_stated_chances_are_calibrated(big_panel):
    """Each tenth of p_down and p_liq comes true as often as it says, within sampling error by issuer."""
    bonds, truth = big_panel.bonds, big_panel.truth
    first = ~bonds.duplicated(["issuer_id", "as_of_date"])
    for chance, label in (
        (truth["p_down"][first], bonds["downgrade_12m"][first]),
        (truth["p_liq"], bonds["liquidity_shock_1m"]),
    ):
        tenth = np.argsort(np.argsort(chance.to_numpy())) * 10 // len(chance)
        n = np.bincount(tenth)
        said, seen = np.bincount(tenth, chance) / n, np.bincount(tenth, label) / n
        # Frailty is common to a month, so rates move together by more than the binomial.
        assert np.abs(seen - said).max() < 4 * np.sqrt(said * (1 - said) / n).max() + 0.02


def test_labels_happen_about_as_often_as_they_should(many_worlds):
    once = many_worlds[~many_worlds.duplicated(["issuer_id", "as_of_date"])]
    assert 0.10 <= once["downgrade_12m"].mean() <= 0.16
    assert 0.05 <= many_worlds["liquidity_shock_1m"].mean() <= 0.09
    downgrade = once.groupby(["high_yield", "times"])["downgrade_12m"].mean()
    shock = many_worlds.groupby(["high_yield", "times"])["liquidity_shock_1m"].mean()
    for (high_yield, time), (down, dry) in {
        (False, "calm"): (0.03, 0.01), (False, "neutral"): (0.08, 0.03), (False, "crisis"): (0.20, 0.16),
        (True, "calm"): (0.09, 0.02), (True, "neutral"): (0.17, 0.07), (True, "crisis"): (0.37, 0.28),
    }.items():  # fmt: skip
        assert downgrade[high_yield, time] == pytest.approx(down, rel=0.2, abs=0.015), (high_yield, time)
        assert shock[high_yield, time] == pytest.approx(dry, rel=0.2, abs=0.015), (high_yield, time)


@pytest.mark.truth
@pytest.mark.parametrize("n_years", [10, 20, 40])
def test_panels_are_downgraded_as_often_as_the_matrix_says(truth, n_years):
    """Though every path holds a crisis: on average over all paths, and at each notch."""
    n_paths = N_PATHS * truth.scale
    seen = lives(n_years, n_paths)
    matrix = ratings.down_probability()[seen.notch]
    expected = np.bincount(seen.path, matrix)
    surplus = np.bincount(seen.path, seen.p_down) - expected
    # Paths are independent draws, so their scatter is the error of the simulation; the fit of the levels has its own.
    error = surplus.std() * np.sqrt(n_paths) / expected.sum()
    truth.at_most(abs(surplus.sum() / expected.sum()), 3.1 * error + 0.01, n=n_paths)
    relative = np.zeros(ratings.N_LIVE)
    for notch in range(ratings.N_LIVE):
        here = seen.notch == notch
        expected = np.bincount(seen.path[here], matrix[here], minlength=n_paths)
        happened = np.bincount(seen.path[here], seen.downgraded[here], minlength=n_paths) - expected
        error = happened.std() * np.sqrt(n_paths) / expected.sum()
        relative[notch] = abs(happened.sum() / expected.sum()) / (4 * error + 0.025)
    truth.at_most(relative.max(), 1.0, n=n_paths)
