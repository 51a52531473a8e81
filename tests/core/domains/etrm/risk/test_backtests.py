"""Back-tests against published tables, other implementations, and their laws in simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.domains.etrm.risk.backtests import (
    back_test,
    christoffersen_conditional,
    christoffersen_independence,
    exceedances,
    kupiec,
)
from core.domains.etrm.risk.historical import exceedance_rate, rolling_historical_var
from core.domains.etrm.risk.parametric import rolling_normal_var
from core.domains.etrm.risk.traffic import TrafficLight, traffic_light
from core.errors import UsageError
from tests.truth import least_expected, most_expected

# Kupiec 1995, as printed by Jorion, Value at Risk, table 6.2: the first and last number that 5 % does not reject.
KEPT = {
    (255, 0.99): (0, 6),
    (510, 0.99): (2, 10),
    (1000, 0.99): (5, 16),
    (255, 0.95): (7, 20),
    (510, 0.95): (17, 35),
    (1000, 0.95): (38, 64),
}


@pytest.mark.parametrize("case", KEPT)
def test_kupiec_keeps_what_the_published_table_keeps(case):
    n, level = case
    kept = [x for x in range(n + 1) if kupiec(x, n, level).statistic < stats.chi2.ppf(0.95, 1)]
    # No loss at all in 255 days at 99 %: the table calls it "N < 7" although the statistic is 5.1 there.
    first = 1 if case == (255, 0.99) else KEPT[case][0]
    assert (kept[0], kept[-1]) == (first, KEPT[case][1])


@given(st.integers(1, 2_000), st.data(), st.sampled_from([0.9, 0.95, 0.975, 0.99]))
def test_kupiec_is_the_ratio_of_two_binomial_likelihoods(n, data, level):
    x = data.draw(st.integers(0, n))
    claimed, fitted = (stats.binom.logpmf(x, n, p) for p in (1 - level, x / n))
    found = kupiec(x, n, level)
    assert found.statistic == pytest.approx(max(-2 * (claimed - fitted), 0), abs=1e-6, rel=1e-9)
    assert 0 <= found.p_value <= 1


@given(st.integers(1, 300), st.data())
def test_the_p_value_of_kupiec_sums_the_outcomes_that_fit_no_better(n, data):
    x = data.draw(st.integers(0, n))
    every = [kupiec(k, n, 0.95) for k in range(n + 1)]
    chances = stats.binom.pmf(np.arange(n + 1), n, 1 - 0.95)
    worse = [k for k in range(n + 1) if every[k].statistic >= every[x].statistic - 1e-9]
    assert every[x].p_value == pytest.approx(float(chances[worse].sum()), rel=1e-6, abs=1e-12)


def test_kupiec_rejects_a_right_var_no_more_often_than_it_says():
    for n in (50, 250, 749, 1500):
        chances = stats.binom.pmf(np.arange(n + 1), n, 0.01)
        p_values = np.array([kupiec(x, n, 0.99).p_value for x in range(n + 1)])
        for size in (0.01, 0.05):
            assert chances[p_values <= size].sum() <= size + 1e-12


def test_a_back_test_of_millions_of_days_takes_the_limit_law():
    found = kupiec(20_500, 2_000_000, 0.99)
    assert found.p_value == pytest.approx(float(stats.chi2.sf(found.statistic, 1)))


@given(st.lists(st.booleans(), min_size=2, max_size=400))
def test_independence_is_the_g_test_of_the_transitions(flags):
    days = np.array(flags)
    table = np.array([[np.sum((days[:-1] == a) & (days[1:] == b)) for b in (False, True)] for a in (False, True)])
    found = christoffersen_independence(days)
    if (table.sum(axis=0) == 0).any() or (table.sum(axis=1) == 0).any():
        assert (found.statistic, found.p_value) == (pytest.approx(0, abs=1e-9), pytest.approx(1, abs=1e-4))
        return
    statistic, p_value, *_ = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert found.statistic == pytest.approx(max(statistic, 0), abs=1e-8)
    assert found.p_value == pytest.approx(p_value, abs=1e-4)


@given(st.lists(st.booleans(), min_size=2, max_size=400))
def test_conditional_coverage_compares_a_chain_with_a_coin(flags):
    days, rate = np.array(flags), 1 - 0.95
    chain = 0.0
    for before in (False, True):
        after = days[1:][days[:-1] == before]
        chain += sum(math.log(after.mean() if hit else 1 - after.mean()) for hit in after)
    coin = sum(math.log(rate if hit else 1 - rate) for hit in days[1:])
    found = christoffersen_conditional(days, 0.95)
    assert found.statistic == pytest.approx(2 * (chain - coin), abs=1e-6)
    assert found.p_value == pytest.approx(float(stats.chi2.sf(found.statistic, 2)))


def test_clustered_exceedances_fail_independence_and_keep_coverage():
    days = np.zeros(1_000, dtype=bool)
    days[300:350] = True  # 5 %, all in one stretch
    assert kupiec(50, 1_000, 0.95).p_value == 1
    assert christoffersen_independence(days).p_value < 1e-6
    assert christoffersen_conditional(days, 0.95).p_value < 1e-6


def test_the_traffic_light_of_a_year_is_that_of_the_committee():
    lights = [traffic_light(n) for n in range(15)]
    assert lights == [TrafficLight.GREEN] * 5 + [TrafficLight.YELLOW] * 5 + [TrafficLight.RED] * 5


@given(st.integers(1, 2_000), st.sampled_from([0.95, 0.99]))
def test_more_exceedances_never_make_the_light_greener(n, level):
    order = list(TrafficLight)
    lights = [order.index(traffic_light(x, n, level)) for x in range(n + 1)]
    assert lights == sorted(lights)


def test_a_back_test_of_a_series_says_all_of_it():
    pnl = np.full(250, 1.0)
    pnl[[3, 4, 90, 91, 200]] = -11.0
    found = back_test(pnl, np.full(250, 10.0), 0.99)
    assert (found.n_days, found.n_exceeded, found.rate, found.light) == (250, 5, 0.02, TrafficLight.YELLOW)
    assert found.coverage == kupiec(5, 250, 0.99)
    assert back_test(pnl[:249], np.full(249, 10.0), 0.99).light is None


def test_the_light_judges_the_last_year_of_a_longer_series():
    pnl = np.full(600, 1.0)
    pnl[:40] = -11.0
    assert back_test(pnl, np.full(600, 10.0), 0.99).light is TrafficLight.GREEN


def test_a_loss_as_large_as_the_var_does_not_exceed_it():
    assert exceedances(np.array([-10.0, -10.1, 5.0]), np.array([10.0, 10.0, -6.0])).tolist() == [False, True, True]


HOSTILE = {
    "more exceedances than days": (lambda: kupiec(6, 5, 0.95), "6 of 5 days"),
    "a negative number": (lambda: kupiec(-1, 5, 0.95), "n_exceeded: -1"),
    "no days": (lambda: traffic_light(0, 0), "n_days: 0"),
    "a part of a day": (lambda: kupiec(1.5, 5, 0.95), "n_exceeded: 1.5"),
    "a flag for a number": (lambda: kupiec(True, 5, 0.95), "n_exceeded: True"),
    "series of two lengths": (lambda: exceedances(np.zeros(5), np.zeros(4)), "var: has 4 days"),
    "no flags": (lambda: christoffersen_independence(np.array([])), "one flag a day"),
    "numbers for flags": (lambda: christoffersen_independence(np.array([0, 2])), "other than true and false"),
    "texts for flags": (lambda: christoffersen_independence(np.array(["a"])), "other than true and false"),
    "a table of flags": (lambda: christoffersen_conditional(np.zeros((2, 2)), 0.95), "one flag a day"),
    "a gap": (lambda: back_test(np.array([np.nan]), np.array([1.0]), 0.95), "pnl: the value at 0 is nan"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_argument_is_refused_by_name(name):
    call, words = HOSTILE[name]
    with pytest.raises(UsageError, match=words):
        call()


WINDOW, DAYS, RUNS = 500, 1_249, 60


def _fat_tails(rng: np.random.Generator, days: int) -> np.ndarray:
    return rng.standard_t(4, days)


@pytest.mark.truth
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_a_historical_var_of_500_days_is_exceeded_at_its_nominal_rate(truth, level):
    runs = RUNS * truth.scale
    exceeded = np.empty(runs)
    rejected = 0
    for seed in range(runs):
        pnl = _fat_tails(np.random.default_rng([11, seed]), DAYS)
        found = back_test(pnl[WINDOW:], rolling_historical_var(pnl, level, window=WINDOW), level)
        exceeded[seed] = found.rate
        rejected += found.coverage.p_value < 0.001
    # Days of one run share a window, so the spread between runs is the error of the mean.
    error = 3.5 * exceeded.std(ddof=1) / math.sqrt(runs)
    expected = exceedance_rate(WINDOW, level)
    truth.at_most(float(exceeded.mean()), expected + error, n=runs)
    truth.at_least(float(exceeded.mean()), expected - error, n=runs)
    truth.at_most(rejected / runs, 0.05, n=runs)


@pytest.mark.truth
def test_a_normal_var_of_normal_days_is_exceeded_at_its_nominal_rate(truth):
    runs = RUNS * truth.scale
    for level in (0.95, 0.99):
        rates = np.empty(runs)
        for seed in range(runs):
            pnl = np.random.default_rng([12, seed]).normal(0, 1, DAYS)
            rates[seed] = back_test(pnl[WINDOW:], rolling_normal_var(pnl, level, window=WINDOW), level).rate
        error = 3.5 * rates.std(ddof=1) / math.sqrt(runs)
        # A sd of 500 days is itself uncertain: Student's t with 499 degrees of freedom, not the normal law.
        expected = float(stats.t.sf(stats.norm.ppf(level) / math.sqrt(1 + 1 / WINDOW), WINDOW - 1))
        truth.at_most(float(rates.mean()), expected + error, n=runs)
        truth.at_least(float(rates.mean()), expected - error, n=runs)


@pytest.mark.truth
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_right_vars_fail_the_tests_as_rarely_as_their_level(truth, level):
    n, days, size = 2_000 * truth.scale, 750, 0.05
    flags = np.random.default_rng(13).random((n, days)) < 1 - level
    coverage = np.mean([kupiec(int(row.sum()), days, level).p_value <= size for row in flags])
    truth.at_most(float(coverage), most_expected(size, n), n=n)
    # Independence is held against its limit law, which 37 exceedances do not reach: 7.3 % of right VaRs in 4,000 runs.
    independence = np.mean([christoffersen_independence(row).p_value <= size for row in flags])
    conditional = np.mean([christoffersen_conditional(row, level).p_value <= size for row in flags])
    truth.at_most(float(independence), most_expected(0.075, n), n=n)
    truth.at_most(float(conditional), most_expected(size, n), n=n)


@pytest.mark.truth
def test_a_var_that_is_exceeded_twice_as_often_is_found(truth):
    n, days = 500 * truth.scale, 750
    flags = np.random.default_rng(14).random((n, days)) < 0.02
    found = np.mean([kupiec(int(row.sum()), days, 0.99).p_value <= 0.05 for row in flags])
    truth.at_least(float(found), least_expected(0.6, n), n=n)
