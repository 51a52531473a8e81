"""The evidence on rates: false verdicts no more often than promised, however often one looks; harm found in time."""

import math
import random

import numpy as np
import pytest

from core.rollout.eprocess import RateEvidence, Tally, estimate, interval, log_harm, log_safety
from core.rollout.simulation import NEVER, Traffic, log_evidence, simulate

N_ROLLOUTS = 1_000
MARGIN = 1.5


def most_expected(error_rate: float) -> float:
    """The share that 1,000 simulations of an exact test stay below, but for bad luck of 1 in 1,000 (3.1 sigma)."""
    return error_rate + 3.1 * math.sqrt(error_rate * (1 - error_rate) / N_ROLLOUTS)


def n_requests_for(base_rate: float) -> int:
    """Some 400 failures a rollout and more, or a hundred where they are rare."""
    return {0.002: 50_000, 0.02: 20_000, 0.2: 4_000}[base_rate]


@pytest.mark.parametrize("alpha", [0.01, 0.05])
@pytest.mark.parametrize("base_rate", [0.002, 0.02, 0.2])
@pytest.mark.parametrize("diurnal", [0.0, 0.8], ids=["steady", "diurnal"])
def test_a_good_candidate_watched_at_every_request_is_rarely_taken_back(alpha, base_rate, diurnal) -> None:
    n = n_requests_for(base_rate)
    traffic = Traffic(
        base_rate=base_rate, n_requests=n, steps=((0, 0.05), (n // 10, 0.2), (n // 3, 0.5)), diurnal=diurnal
    )
    verdicts = simulate(traffic, n_rollouts=N_ROLLOUTS, alpha=alpha, beta=0.05, margin=MARGIN, seed=11)
    # Harm at any time at all, even where safety was shown before: more than a rollback needs.
    assert np.mean(verdicts.harmful_at < NEVER) <= most_expected(alpha)
    assert np.mean(verdicts.rolled_back) <= most_expected(alpha)


@pytest.mark.parametrize("beta", [0.05, 0.2])
def test_a_candidate_at_the_margin_is_rarely_called_safe(beta) -> None:
    traffic = Traffic(base_rate=0.05, ratio=MARGIN, n_requests=10_000, diurnal=0.5)
    verdicts = simulate(traffic, n_rollouts=N_ROLLOUTS, alpha=1e-9, beta=beta, margin=MARGIN, seed=12)
    assert np.mean(verdicts.safe_at < NEVER) <= most_expected(beta)


@pytest.mark.parametrize("base_rate", [0.02, 0.005])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_rare_failures_at_the_margin_are_rarely_called_safe_at_any_share(base_rate, share) -> None:
    """As losses of 0 and 1 are judged, too."""
    traffic = Traffic(base_rate=base_rate, ratio=MARGIN, n_requests=20_000, steps=((0, share),))
    verdicts = simulate(traffic, n_rollouts=N_ROLLOUTS, alpha=0.01, beta=0.05, margin=MARGIN, seed=15)
    assert np.mean(verdicts.safe_at < NEVER) <= most_expected(0.05)


@pytest.mark.parametrize(
    ("ratio", "least_caught", "most_requests"),
    [
        pytest.param(2.0, 0.98, 900, id="twice the errors"),
        pytest.param(5.0, 1.0, 90, id="five times the errors"),
    ],
)
def test_a_bad_candidate_is_taken_back_in_time(ratio, least_caught, most_requests) -> None:
    traffic = Traffic(base_rate=0.02, ratio=ratio, diurnal=0.5)
    verdicts = simulate(traffic, n_rollouts=N_ROLLOUTS, alpha=0.01, beta=0.05, margin=MARGIN, seed=13)
    assert np.mean(verdicts.rolled_back) >= least_caught
    assert np.median(verdicts.candidate_requests[verdicts.rolled_back]) <= most_requests


def test_most_good_candidates_are_promoted_unless_failures_are_rare() -> None:
    common = simulate(Traffic(base_rate=0.02), n_rollouts=300, alpha=0.01, beta=0.05, margin=MARGIN, seed=14)
    rare = simulate(Traffic(base_rate=0.002), n_rollouts=300, alpha=0.01, beta=0.05, margin=MARGIN, seed=14)
    assert np.mean(common.promoted) >= 0.88
    undecided = 1 - np.mean(rare.promoted) - np.mean(rare.rolled_back)
    assert undecided >= 0.6


def test_the_simulation_and_the_product_compute_the_same() -> None:
    dice = np.random.default_rng(5)
    share = np.repeat([0.05, 0.2, 0.5], 60)
    is_candidate = dice.random(180) < share * 1.4
    harm, safety = log_evidence(np.zeros(180, dtype=np.int64), share, is_candidate, MARGIN)
    evidence, peak = RateEvidence(), 0.0
    for number in range(180):
        evidence = evidence.after(float(share[number]), candidate_failed=bool(is_candidate[number]))
        peak = max(peak, harm[number])
        assert log_harm(evidence.tallies) == pytest.approx(harm[number], abs=1e-9)
        assert log_safety(evidence.tallies, MARGIN) == pytest.approx(safety[number], abs=1e-9)
        assert evidence.peak_log_harm == pytest.approx(peak, abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_a_concurrent_control_failures_say_nothing(share) -> None:
    tallies = (Tally(share=share, n_stable=0 if share else 50, n_candidate=50 if share else 0),)
    assert log_harm(tallies) == pytest.approx(0)
    assert log_safety(tallies, MARGIN) == pytest.approx(0)
    assert estimate(tallies) is None
    assert interval(tallies, 0.05) == (0.0, None)


def test_the_order_of_failures_does_not_matter() -> None:
    dice = random.Random(3)
    failures = [(dice.choice((0.05, 0.2)), dice.random() < 0.3) for _ in range(100)]

    def logs(order):
        evidence = RateEvidence()
        for share, candidate_failed in order:
            evidence = evidence.after(share, candidate_failed=candidate_failed)
        return log_harm(evidence.tallies), log_safety(evidence.tallies, MARGIN)

    assert logs(failures) == pytest.approx(logs(sorted(failures)))


def test_a_share_of_traffic_is_no_sign_of_harm_whatever_it_is() -> None:
    as_expected = (Tally(share=0.05, n_stable=950, n_candidate=50), Tally(share=0.5, n_stable=500, n_candidate=500))
    assert estimate(as_expected) == pytest.approx(1.0)
    assert log_harm(as_expected) < 0 < log_safety(as_expected, MARGIN)


def test_the_interval_holds_the_true_ratio_at_every_look() -> None:
    dice = random.Random(8)
    n_left, true_ratio, share = 0, 1.6, 0.2
    chance = share * true_ratio / (1 - share + share * true_ratio)
    for _ in range(200):
        evidence, has_left = RateEvidence(), False
        for number in range(1, 301):
            evidence = evidence.after(share, candidate_failed=dice.random() < chance)
            if number % 20 == 0:
                low, high = interval(evidence.tallies, 0.05)
                has_left |= not low <= true_ratio <= (high or math.inf)
        n_left += has_left
    assert n_left / 200 <= 0.05 + 3.1 * math.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize(
    ("tallies", "low", "high"),
    [
        pytest.param((Tally(share=0.1, n_candidate=20),), True, False, id="only the candidate fails: no upper bound"),
        pytest.param((Tally(share=0.5, n_stable=20),), False, True, id="only the stable fails: no lower bound"),
        pytest.param((Tally(share=0.5, n_stable=1),), False, True, id="one failure excludes absurd ratios only"),
    ],
)
def test_an_interval_is_bounded_where_the_failures_bound_it(tallies, low, high) -> None:
    least, most = interval(tallies, 0.05)
    assert (least > 0, most is not None) == (low, high)
    assert most is None or least < most
