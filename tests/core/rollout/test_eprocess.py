"""The evidence on rates: false verdicts no more often than promised, however often one looks; harm found in time."""

import math
import random

import numpy as np
import pytest

from core.rollout.eprocess import RateEvidence, Tally, estimate, interval, log_harm, log_safety
from core.rollout.simulation import NEVER, Traffic, log_evidence, simulate
from tests.truth import most_expected

N_ROLLOUTS = 1_000
MARGIN = 1.5


def n_requests_for(base_rate: float) -> int:
    """Some 400 failures a rollout and more, or a hundred where they are rare."""
    return {0.002: 50_000, 0.02: 20_000, 0.2: 4_000}[base_rate]


@pytest.mark.truth
@pytest.mark.parametrize("alpha", [0.01, 0.05])
@pytest.mark.parametrize("base_rate", [0.002, 0.02, 0.2])
@pytest.mark.parametrize("diurnal", [0.0, 0.8], ids=["steady", "diurnal"])
def test_a_good_candidate_watched_at_every_request_is_rarely_rolled_back(truth, alpha, base_rate, diurnal) -> None:
    n, n_requests = N_ROLLOUTS * truth.scale, n_requests_for(base_rate)
    steps = ((0, 0.05), (n_requests // 10, 0.2), (n_requests // 3, 0.5))
    traffic = Traffic(base_rate=base_rate, n_requests=n_requests, steps=steps, diurnal=diurnal)
    verdicts = simulate(traffic, n_rollouts=n, alpha=alpha, beta=0.05, margin=MARGIN, seed=11)
    # Harm at any time at all, even where safety was shown before: more than a rollback needs.
    truth.at_most(np.mean(verdicts.harmful_at < NEVER), most_expected(alpha, n), n=n)
    truth.at_most(np.mean(verdicts.rolled_back), most_expected(alpha, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize("beta", [0.05, 0.2])
def test_a_candidate_at_the_margin_is_rarely_called_safe(truth, beta) -> None:
    n = N_ROLLOUTS * truth.scale
    traffic = Traffic(base_rate=0.05, ratio=MARGIN, n_requests=10_000, diurnal=0.5)
    verdicts = simulate(traffic, n_rollouts=n, alpha=1e-9, beta=beta, margin=MARGIN, seed=12)
    truth.at_most(np.mean(verdicts.safe_at < NEVER), most_expected(beta, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize("base_rate", [0.02, 0.005])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_rare_failures_at_the_margin_are_rarely_called_safe_at_any_share(truth, base_rate, share) -> None:
    """As losses of 0 and 1 are judged, too."""
    n = N_ROLLOUTS * truth.scale
    traffic = Traffic(base_rate=base_rate, ratio=MARGIN, n_requests=20_000, steps=((0, share),))
    verdicts = simulate(traffic, n_rollouts=n, alpha=0.01, beta=0.05, margin=MARGIN, seed=15)
    truth.at_most(np.mean(verdicts.safe_at < NEVER), most_expected(0.05, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize(
    ("ratio", "least_caught", "most_requests"),
    [
        pytest.param(2.0, 0.98, 900, id="twice the errors"),
        pytest.param(5.0, 1.0, 90, id="five times the errors"),
    ],
)
def test_a_bad_candidate_is_rolled_back_in_time(truth, ratio, least_caught, most_requests) -> None:
    n = N_ROLLOUTS * truth.scale
    traffic = Traffic(base_rate=0.02, ratio=ratio, diurnal=0.5)
    verdicts = simulate(traffic, n_rollouts=n, alpha=0.01, beta=0.05, margin=MARGIN, seed=13)
    truth.at_least(np.mean(verdicts.rolled_back), least_caught, n=n)
    truth.at_most(np.median(verdicts.candidate_requests[verdicts.rolled_back]), most_requests, n=n)


@pytest.mark.truth
def test_most_good_candidates_are_promoted_unless_failures_are_rare(truth) -> None:
    n = 300 * truth.scale
    common = simulate(Traffic(base_rate=0.02), n_rollouts=n, alpha=0.01, beta=0.05, margin=MARGIN, seed=14)
    rare = simulate(Traffic(base_rate=0.002), n_rollouts=n, alpha=0.01, beta=0.05, margin=MARGIN, seed=14)
    truth.at_least(np.mean(common.promoted), 0.88, n=n)
    undecided = 1 - np.mean(rare.promoted) - np.mean(rare.rolled_back)
    truth.at_least(undecided, 0.6, n=n)


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


def test_no_share_of_traffic_is_a_sign_of_harm() -> None:
    as_expected = (Tally(share=0.05, n_stable=950, n_candidate=50), Tally(share=0.5, n_stable=500, n_candidate=500))
    assert estimate(as_expected) == pytest.approx(1.0)
    assert log_harm(as_expected) < 0 < log_safety(as_expected, MARGIN)


@pytest.mark.truth
def test_the_interval_holds_the_true_ratio_at_every_look(truth) -> None:
    dice, n = random.Random(8), 200 * truth.scale
    n_left, true_ratio, share = 0, 1.6, 0.2
    chance = share * true_ratio / (1 - share + share * true_ratio)
    for _ in range(n):
        evidence, has_left = RateEvidence(), False
        for number in range(1, 301):
            evidence = evidence.after(share, candidate_failed=dice.random() < chance)
            if number % 20 == 0:
                low, high = interval(evidence.tallies, 0.05)
                has_left |= not low <= true_ratio <= (high or math.inf)
        n_left += has_left
    truth.at_most(n_left / n, most_expected(0.05, n), n=n)


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
