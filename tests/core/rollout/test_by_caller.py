"""Losses judged by caller: rarely wrong however callers differ and however often one looks, and never overwhelmed."""

import math
from dataclasses import replace

import numpy as np
import pytest

from core.rollout import by_caller
from core.rollout.by_caller import contrast, log_evidence, ratio_of
from core.rollout.caller_intervals import difference_interval, ratio_interval
from core.rollout.caller_sums import CallerSums, CellLayout
from core.rollout.simulated_callers import NEVER, Callers, Watched, effective_callers, first_at, watch
from core.rollout.simulated_callers import log_evidence as simulated_log_evidence
from tests.truth import least_expected, most_expected

ALPHA, BETA = 0.01, 0.05
CANARY, AB = (0.05, 0.1, 0.2), (0.5,)
CASES = {
    "5 callers": Callers(n=5, n_outcomes=3_000),
    "20 callers": Callers(n=20, n_outcomes=3_000),
    "50 callers": Callers(n=50),
    "50 callers, one with 30 % of the traffic": Callers(n=50, volume="heavy"),
    "200 callers who differ very much": Callers(n=200, spread=0.3),
    "200 callers of Zipf sizes": Callers(n=200, volume="zipf"),
    "500 callers in bursts of 20": Callers(n=500, burst=20, n_outcomes=10_000),
    "500 callers, exponential, diurnal": Callers(n=500, loss="exponential", spread=0.5, drift=0.8),
    "500 callers, log-normal": Callers(n=500, loss="lognormal", spread=0.5),
    "500 callers, 2 %": Callers(n=500, rate=0.02),
    "500 callers, 2 % of many outcomes": Callers(n=500, rate=0.02, n_outcomes=20_000),
    "5,000 callers": Callers(n=5_000, n_outcomes=10_000),
    "no callers": Callers(n=0),
    "200 callers, half of whom leave": Callers(n=200, leaving=0.5),
    "500 callers, large losses arrive late": Callers(n=500, loss="exponential", late=0.3, settle=0.3),
    "70 % of stable's outcomes": Callers(n=500, reported=(0.7, 1.0)),
}


def arrivals_agree(seen: Watched) -> np.ndarray:
    """Say at which looks outcomes of settled answers arrive evenly enough for losses to be compared."""
    seen = seen.settled or seen
    checks = [simulated_log_evidence(seen.layout, seen.n_answers, seen.n, higher=higher) for higher in (True, False)]
    return np.maximum(*checks) - math.log(2) < -math.log(ALPHA) / 2


def first_safe(seen: Watched, agree: np.ndarray) -> int:
    """Return the first look at which a candidate is called safe at a margin of 1.5."""
    enough = (effective_callers(seen.layout, seen.n) >= by_caller.LEAST_CALLERS) & agree
    margin = simulated_log_evidence(seen.layout, seen.n, seen.totals, ratio=1.5, higher=False)
    return first_at(np.where(enough, margin, 0), BETA)


def first_winner(seen: Watched) -> int:
    """Return the first look at which either side is called better."""
    seen = seen.settled or seen
    enough = effective_callers(seen.layout, seen.n) >= by_caller.LEAST_CALLERS
    both = [simulated_log_evidence(seen.layout, seen.n, seen.totals, higher=higher) for higher in (True, False)]
    return first_at(np.where(enough, np.maximum(*both), 0), BETA / 2)


@pytest.mark.truth
@pytest.mark.parametrize("shares", [CANARY, AB], ids=["canary", "A/B"])
@pytest.mark.parametrize("case", CASES)
def test_verdicts_by_caller_are_rarely_wrong(truth, case, shares) -> None:
    """Equal arms: rarely rolled back, rarely a winner. At the margin of 1.5: rarely safe. Watched at 30 or 60 looks.

    Harm is judged by all outcomes that came, all else by those of settled answers.
    """
    n = (4 if CASES[case].n in (0, 5_000) else 10) * truth.scale
    random, callers = (
        np.random.default_rng(31),
        replace(CASES[case], shares=shares, n_looks=30 * (1 + (truth.scale > 1))),
    )
    back = won = safe = 0
    for _ in range(n):
        seen = watch(callers, random)
        back += first_at(simulated_log_evidence(seen.layout, seen.n, seen.totals, higher=True), ALPHA) != NEVER
        won += first_winner(seen) != NEVER
        bad = watch(replace(callers, ratio=1.5), random)
        safe += first_safe(bad.settled or bad, arrivals_agree(bad)) != NEVER
    truth.at_most(back / n, most_expected(ALPHA, n), n=n)
    truth.at_most(won / n, most_expected(BETA, n), n=n)
    truth.at_most(safe / n, most_expected(BETA, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize(
    ("case", "shares", "ratio", "found_in"),
    [
        pytest.param("500 callers, 2 % of many outcomes", AB, 2.0, 0.8, id="2 % of 500 callers doubled, A/B"),
        pytest.param("5,000 callers", CANARY, 1.5, 0.9, id="half as bad again, 5,000 callers"),
        pytest.param("5,000 callers", CANARY, 2.0, 0.9, id="twice as bad, 5,000 callers"),
        pytest.param("no callers", CANARY, 2.0, 0.9, id="twice as bad, no callers"),
        pytest.param("500 callers, exponential, diurnal", CANARY, 2.0, 0.7, id="twice as bad, exponential"),
        pytest.param("50 callers", AB, 2.0, 0.9, id="twice as bad, 50 callers in an A/B split"),
        pytest.param("500 callers, log-normal", AB, 2.0, 0.85, id="twice as bad, log-normal"),
    ],
)
def test_a_worse_candidate_is_found(truth, case, shares, ratio, found_in) -> None:
    n = 5 * truth.scale
    random, callers = np.random.default_rng(32), replace(CASES[case], shares=shares, ratio=ratio, n_looks=20)
    found = 0
    for _ in range(n):
        seen = watch(callers, random)
        found += first_at(simulated_log_evidence(seen.layout, seen.n, seen.totals, higher=True), ALPHA) != NEVER
    truth.at_least(found / n, least_expected(found_in, n), n=n)


def sums_of(layout: CellLayout, counts: np.ndarray, totals: np.ndarray) -> CallerSums:
    sums = CallerSums(layout)
    sums.n, sums.total = counts.ravel().copy(), totals.ravel().copy()
    return sums


@pytest.mark.parametrize("case", ["20 callers", "500 callers, log-normal", "no callers"])
@pytest.mark.parametrize("ratio", [1.0, 1.5])
def test_the_simulation_and_the_product_compute_the_same(case, ratio) -> None:
    seen = watch(replace(CASES[case], ratio=1.7), np.random.default_rng(33))
    for higher in (True, False):
        expected = simulated_log_evidence(seen.layout, seen.n, seen.totals, ratio=ratio, higher=higher)
        for look in (5, 20, 40, len(expected) - 1):
            found = log_evidence(
                contrast(sums_of(seen.layout, seen.n[look], seen.totals[look]), ratio=ratio), higher=higher
            )
            assert found == pytest.approx(expected[look], rel=0.03, abs=0.03)


def test_an_interval_holds_the_ratio_and_the_difference() -> None:
    seen = watch(Callers(n=0, shares=AB, loss="exponential", ratio=1.3), np.random.default_rng(34))
    sums = sums_of(seen.layout, seen.n[-1], seen.totals[-1])
    low, high = ratio_interval(sums, BETA, None)
    assert low < 1.3 < high < 1.6
    assert low < ratio_of(sums) < high
    low, high = difference_interval(sums, BETA, None)
    assert low < 0.3 < high


def test_one_heavy_caller_cannot_decide_alone() -> None:
    layout = CellLayout(AB)
    sums, cells = CallerSums(layout), np.arange(0, layout.n, 16)
    steps = np.zeros_like(cells)
    sums.add(cells, steps, np.ones(len(cells)))
    sums.add(np.zeros(5_000, dtype=np.int64), np.zeros(5_000, dtype=np.int64), np.full(5_000, 3.0))
    assert log_evidence(contrast(sums), higher=True) < math.log(1 / ALPHA)


def test_a_share_of_one_in_a_thousand_still_has_callers_to_judge() -> None:
    layout = CellLayout((0.001, 0.2))
    assert layout.n_by_part.tolist() == [64, 204, 819]
    places = np.random.default_rng(35).random(10_000)
    cells = layout.cells(places)
    assert (layout.of_candidate[cells, 0] == (places < 0.001)).all()
    assert (layout.of_candidate[cells, 1] == (places < 0.2)).all()
    assert layout.cells(np.array([0.0, 1.0 - 1e-16])).tolist() == [0, layout.n - 1]


def test_stored_sums_of_another_plan_are_refused() -> None:
    stored = CallerSums(CellLayout(AB)).stored
    with pytest.raises(ValueError, match="sums by caller have 1024 finite cells"):
        CallerSums(CellLayout(CANARY), stored)
