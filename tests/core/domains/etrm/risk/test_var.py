"""VaR and ES against closed forms, other implementations and their own order."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from core.domains.etrm.risk.historical import (
    exceedance_rate,
    historical_es,
    historical_var,
    rolling_historical_es,
    rolling_historical_var,
)
from core.domains.etrm.risk.measures import risk_figures
from core.domains.etrm.risk.parametric import (
    component_var,
    covariance_of,
    es_factor,
    normal_var,
    parametric_es,
    parametric_var,
    rolling_normal_var,
    z_of,
)
from core.errors import UsageError

AMOUNTS = st.floats(-1e12, 1e12, allow_nan=False)
SERIES = arrays(np.float64, st.integers(2, 600), elements=AMOUNTS)
LEVELS = st.floats(0.5, 0.999)


@given(SERIES)
def test_the_figures_of_a_report_keep_their_order(pnl):
    figures = risk_figures(pnl)
    assert figures.var99_hist >= figures.var95_hist
    assert figures.var99_param >= figures.var95_param >= 0
    assert figures.es975 >= historical_var(pnl, 0.975)
    assert figures.es975 >= figures.var95_hist


@given(SERIES, LEVELS, LEVELS)
def test_var_and_es_rise_with_the_level(pnl, one, other):
    low, high = sorted((one, other))
    assert historical_var(pnl, high) >= historical_var(pnl, low)
    scale = max(1.0, float(np.abs(pnl).max()))
    assert historical_es(pnl, high) >= historical_es(pnl, low) - 1e-9 * scale


@given(SERIES, LEVELS)
def test_historical_var_is_the_inverted_cdf_of_numpy(pnl, level):
    # A level that is a rounding error away from k/n: the rank may round either way.
    if abs(len(pnl) * level - round(len(pnl) * level)) > 1e-6:
        assert historical_var(pnl, level) == np.quantile(-pnl, level, method="inverted_cdf")


@given(arrays(np.float64, st.integers(2, 60), elements=st.floats(-1e6, 1e6)), st.integers(500, 990))
def test_historical_es_is_the_integral_of_the_empirical_quantiles(pnl, thousandths):
    level, losses, n = thousandths / 1000, np.sort(-pnl), len(pnl)
    # The quantile function is constant on ((k-1)/n, k/n]; its integral from level to 1 is a sum of rectangles.
    edges = np.clip(np.arange(n + 1) / n, level, 1.0)
    integral = float((losses * np.diff(edges)).sum()) / (1 - level)
    assert historical_es(pnl, level) == pytest.approx(integral, rel=1e-9, abs=1e-6)


def test_historical_figures_of_an_even_ladder_have_a_closed_form():
    pnl = -np.random.default_rng(3).permutation(np.arange(1.0, 1001.0))
    assert historical_var(pnl, 0.95) == 950
    assert historical_var(pnl, 0.99) == 990
    assert historical_es(pnl, 0.975) == pytest.approx((976 + 1000) / 2)


def test_many_portfolios_at_once_give_the_figures_of_each():
    pnl = np.random.default_rng(4).standard_t(4, (5, 3, 301))
    together = risk_figures(pnl)
    for at in np.ndindex(5, 3):
        alone = risk_figures(pnl[at])
        assert [float(figure[at]) for figure in together] == pytest.approx([float(figure) for figure in alone])


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1.0), LEVELS)
def test_parametric_var_of_one_factor_is_z_times_its_sd(exposure, sd, level):
    expected = stats.norm.ppf(level) * abs(exposure) * sd
    assert parametric_var(np.array([exposure]), np.array([[sd * sd]]), level) == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_parametric_var_is_z_times_the_root_of_the_quadratic_form(seed, k):
    rng = np.random.default_rng(seed)
    factor = rng.normal(0, 0.02, (k, k))
    covariance, exposures = factor @ factor.T, rng.normal(0, 1e6, k)
    variance = sum(exposures[i] * covariance[i, j] * exposures[j] for i in range(k) for j in range(k))
    for level, z in ((0.95, 1.6448536269514722), (0.99, 2.3263478740408408)):
        assert parametric_var(exposures, covariance, level) == pytest.approx(z * math.sqrt(variance), rel=1e-9)
    assert component_var(exposures, covariance, 0.99).sum() == pytest.approx(
        parametric_var(exposures, covariance, 0.99), rel=1e-9
    )


def test_parametric_var_of_returns_is_the_normal_var_of_their_pnl():
    rng = np.random.default_rng(5)
    returns, exposures = rng.normal(0, 0.02, (400, 4)), np.array([1e6, -5e5, 2e5, 0.0])
    found = parametric_var(exposures, covariance_of(returns), 0.99)
    assert found == pytest.approx(float(normal_var(returns @ exposures, 0.99)), rel=1e-12)


def test_the_covariance_is_that_of_numpy():
    returns = np.random.default_rng(6).standard_t(5, (50, 3))
    assert covariance_of(returns) == pytest.approx(np.cov(returns, rowvar=False))


def test_ten_days_have_the_root_of_ten_times_the_risk_of_one():
    covariance = np.array([[0.0004]])
    ten = parametric_var(np.array([100.0]), covariance, 0.99, horizon_days=10)
    assert ten == pytest.approx(math.sqrt(10) * parametric_var(np.array([100.0]), covariance, 0.99))


def test_a_hedged_portfolio_has_no_risk():
    same = np.array([[0.04, 0.04], [0.04, 0.04]])
    assert parametric_var(np.array([7.0, -7.0]), same, 0.99) == 0
    assert component_var(np.array([7.0, -7.0]), same, 0.99).tolist() == [0, 0]
    assert parametric_var(np.array([0.0, 0.0]), np.zeros((2, 2)), 0.99) == 0


def test_the_normal_es_is_the_mean_beyond_the_quantile():
    beyond = stats.norm.expect(lambda x: x, lb=stats.norm.ppf(0.975), conditional=True)
    assert es_factor(0.975) == pytest.approx(float(beyond), rel=1e-6)
    assert parametric_es(np.array([10.0]), np.array([[0.01]]), 0.975) == pytest.approx(
        10 * 0.1 * float(beyond), rel=1e-6
    )


def test_a_rolling_figure_looks_only_at_the_days_before_it():
    pnl = np.random.default_rng(7).normal(0, 1, 70)
    for rolling, plain in (
        (rolling_historical_var, historical_var),
        (rolling_historical_es, historical_es),
        (rolling_normal_var, normal_var),
    ):
        expected = [float(plain(pnl[i : i + 50], 0.95)) for i in range(20)]
        assert rolling(pnl, 0.95, window=50).tolist() == pytest.approx(expected)


def test_pieces_of_rolling_windows_join_to_the_whole(monkeypatch):
    pnl = np.random.default_rng(8).normal(0, 1, 300)
    whole = rolling_historical_var(pnl, 0.99, window=100)
    monkeypatch.setattr("core.domains.etrm.risk.historical.PIECE", 700)
    assert rolling_historical_var(pnl, 0.99, window=100).tolist() == whole.tolist()


@given(st.integers(1, 5_000), st.integers(500, 999))
def test_the_rate_of_exceedance_never_promises_less_than_the_level(n, thousandths):
    rate = exceedance_rate(n, thousandths / 1000)
    assert 0 < rate <= 1
    assert 1 - thousandths / 1000 - 1 / (n + 1) < rate < 1 - thousandths / 1000 + 1.001 / n


def test_z_is_the_quantile_of_scipy():
    for level in (0.5, 0.9, 0.95, 0.975, 0.99, 0.999):
        assert z_of(level) == pytest.approx(float(stats.norm.ppf(level)), abs=1e-12)


GOOD = np.array([1.0, -1.0, 2.0])
HOSTILE = {
    "a level of 1": (lambda: historical_var(GOOD, 1.0), "level: 1.0"),
    "a level in percent": (lambda: historical_var(GOOD, 95), "level: 95"),
    "a level below a half": (lambda: normal_var(GOOD, 0.05), "level: 0.05"),
    "a level that is not a number": (lambda: historical_var(GOOD, math.nan), "level: nan"),
    "a level in words": (lambda: historical_es(GOOD, "0.95"), "level: '0.95'"),
    "no days": (lambda: historical_var(np.array([]), 0.95), "pnl: has 0 values"),
    "one day": (lambda: normal_var(np.array([1.0]), 0.95), "at least 2"),
    "a scalar": (lambda: historical_var(np.float64(1), 0.95), "pnl: has 0 axes"),
    "a gap": (lambda: historical_var(np.array([1.0, np.nan]), 0.95), "the value at 1 is nan"),
    "an infinite loss": (lambda: historical_es(np.array([[1.0], [-np.inf]]), 0.95), r"at \(1, 0\) is -inf"),
    "an amount whose square is none": (lambda: normal_var(np.array([1e200, 1.0]), 0.95), "up to 1e"),
    "texts": (lambda: historical_var(np.array(["1", "2"]), 0.95), "not numbers"),
    "objects": (lambda: historical_var(np.array([1, None]), 0.95), "not numbers"),
    "flags": (lambda: historical_var(np.array([True, False]), 0.95), "not numbers"),
    "a window as long as the series": (lambda: rolling_historical_var(GOOD, 0.95, window=3), "at least 4"),
    "a window of one": (lambda: rolling_normal_var(GOOD, 0.95, window=1), "window: 1"),
    "half a window": (lambda: rolling_normal_var(GOOD, 0.95, window=1.5), "window: 1.5"),
    "a matrix of another size": (lambda: parametric_var(GOOD, np.eye(2), 0.95), r"shape \(2, 2\)"),
    "a lopsided matrix": (lambda: parametric_var(GOOD[:2], np.array([[1, 0.5], [0, 1]]), 0.95), "not symmetric"),
    "an impossible matrix": (
        lambda: parametric_var(GOOD[:2], np.array([[1.0, 2], [2, 1]]), 0.95),
        "not positive semi-definite",
    ),
    "a negative variance": (lambda: parametric_var(GOOD[:1], np.array([[-1.0]]), 0.95), "not positive semi-definite"),
    "a horizon of no days": (
        lambda: parametric_var(GOOD[:1], np.array([[1.0]]), 0.95, horizon_days=0),
        "horizon_days: 0",
    ),
    "returns of one day": (lambda: covariance_of(np.array([[1.0, 2.0]])), "returns: has 1 values"),
    "returns without factors": (lambda: covariance_of(GOOD), "returns: has 1 axes"),
    "no window of days": (lambda: exceedance_rate(0, 0.95), "n: 0"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_argument_is_refused_by_name(name):
    call, words = HOSTILE[name]
    with pytest.raises(UsageError, match=words):
        call()
