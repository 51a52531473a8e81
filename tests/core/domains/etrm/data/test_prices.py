import subprocess
import sys
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domains.etrm.data import ETRMDataConfig, simulate_prices
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.black import black
from core.domains.etrm.data.days import season_of
from core.domains.etrm.data.prices import convexity, correlation_matrix, jump_mean, jump_moment
from core.domains.etrm.data.trade_block import month_price

SHORT = {"start_date": date(2023, 1, 1), "end_date": date(2023, 3, 31)}


def test_the_same_settings_give_the_same_prices_and_another_seed_others():
    one, same, other = (simulate_prices(ETRMDataConfig(random_seed=seed, **SHORT)) for seed in (1, 1, 2))
    for name in ("spot", "forward", "short_factor", "long_factor", "jumps", "eur_usd"):
        assert getattr(one, name).tobytes() == getattr(same, name).tobytes()
    assert one.spot.tobytes() != other.spot.tobytes()


def test_trades_of_another_seed_can_live_on_the_same_prices():
    one = simulate_prices(ETRMDataConfig(random_seed=1, **SHORT))
    assert one.spot.tobytes() == simulate_prices(ETRMDataConfig(random_seed=2, price_seed=1, **SHORT)).spot.tobytes()


def test_a_hub_has_the_same_prices_whichever_others_are_chosen():
    everything = simulate_prices(ETRMDataConfig(**SHORT))
    few = simulate_prices(ETRMDataConfig(commodities=("GAS_HH", "CARBON"), regions=("north_america", "uk"), **SHORT))
    assert few.names == ("HH", "AECO", "WAHA", "UKA")
    for number, name in enumerate(few.names):
        assert (few.spot[:, number] == everything.spot[:, everything.names.index(name)]).all()


def test_a_later_end_continues_the_same_prices():
    short, long = (
        simulate_prices(ETRMDataConfig(start_date=SHORT["start_date"], end_date=date(2023, m, 1))) for m in (3, 9)
    )
    assert (long.spot[: len(short.spot)] == short.spot).all()


def test_outside_power_a_weekends_price_is_fridays():
    prices = simulate_prices(ETRMDataConfig(**SHORT))
    saturday = (prices.dates.astype(np.int64) + 3) % 7 == 5
    held = np.flatnonzero(saturday)[1:]
    is_power = prices.commodity_index == 0
    assert (prices.spot[held][:, ~is_power] == prices.spot[held - 1][:, ~is_power]).all()
    assert (prices.spot[held][:, is_power] != prices.spot[held - 1][:, is_power]).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**63 - 1))
def test_every_price_is_finite_and_above_minus_its_shift(seed):
    prices = simulate_prices(ETRMDataConfig(random_seed=seed, **SHORT))
    assert np.isfinite(prices.spot).all()
    assert np.isfinite(prices.forward).all()
    assert (prices.spot > -prices.shift).all()
    assert (prices.forward > -prices.shift[:, None]).all()


def test_the_correlations_of_the_commodities_are_positive_definite():
    assert np.linalg.eigvalsh(correlation_matrix()).min() > 0.05


@pytest.mark.parametrize("name", cal.COMMODITIES)
def test_the_law_of_a_jump_is_the_one_stated(name):
    law = cal.PRICE_LAWS.value[name]
    rng = np.random.default_rng(1)
    jumps = np.abs(rng.standard_normal(200_000)) * law.jump_sd
    jumps *= np.where(rng.random(len(jumps)) < law.jump_up_share, 1, -1)
    error = 5 * law.jump_sd / np.sqrt(len(jumps))
    assert jump_mean(law) == pytest.approx(jumps.mean(), abs=error)
    assert float(jump_moment(law, np.array(1.0))) == pytest.approx(np.exp(jumps).mean(), abs=2 * error)


def test_the_far_future_has_no_convexity_left():
    for law in cal.PRICE_LAWS.value.values():
        gained = convexity(law, 10_000)
        assert gained[0] < 0
        assert abs(gained[-1]) < 1e-3
        assert (np.diff(gained) >= 0).all()


def test_a_forward_is_the_mean_of_the_spot_price_over_many_paths():
    """Martingale: what the curve said 60 days before is, on average, what the spot price became."""
    day, errors = 1_000, []
    for seed in range(60):
        prices = simulate_prices(ETRMDataConfig(random_seed=seed, **SHORT))
        hubs = np.arange(len(prices.names))
        later = np.full(len(hubs), day + 60)
        expected = prices.curve.price(np.full(len(hubs), day), hubs, later) + prices.shift
        errors.append((prices.curve.price(later, hubs, later) + prices.shift) / expected - 1)
    errors = np.array(errors)
    assert np.abs(errors.mean(axis=0) / (errors.std(axis=0) / np.sqrt(len(errors)))).max() < 4


@pytest.mark.parametrize("name", cal.COMMODITIES)
def test_the_mean_of_each_month_is_the_season_stated(name):
    stated = np.array({**cal.SEASON_LOG.value, **cal.SEASON_LOG_JUDGED.value}[name])
    for year, error in ((2023, 1e-12), (2024, 1e-4)):
        dates = np.arange(f"{year}-01-01", f"{year + 1}-01-01", dtype="datetime64[D]")
        season, month = season_of(dates, stated), dates.astype("datetime64[M]").astype(int) % 12
        means = np.bincount(month, season) / np.bincount(month)
        assert np.abs(means - stated).max() <= error
    both = season_of(dates, np.stack([stated, 2 * stated]))
    assert np.allclose(both, season[:, None] * [1, 2])


def test_the_forward_of_power_carries_no_weekday_and_its_spot_price_does():
    """Martingale by the weekday: the spot price is, on average, the forward with the season of that day on top."""
    day, errors = 1_000, []
    week = np.array(cal.WEEKDAY_LOG_POWER.value)
    for seed in range(60):
        prices = simulate_prices(ETRMDataConfig(random_seed=seed, **SHORT))
        days, power = prices.days, np.flatnonzero(prices.commodity_index == 0)
        month = days.month[day] + 1
        later = min(int(days.month_first[month] + day - days.month_first[days.month[day]]), int(days.month_last[month]))
        weekday = week[(prices.dates[later].astype(int) + 3) % 7]
        expected = (prices.forward[day, power, 0] + prices.shift[power]) * np.exp(weekday)
        errors.append((prices.spot[later, power] + prices.shift[power]) / expected - 1)
    errors = np.array(errors)
    assert np.abs(errors.mean(axis=0) / (errors.std(axis=0) / np.sqrt(len(errors)))).max() < 4


def test_the_price_of_a_month_hardly_depends_on_the_day_within_it():
    prices = simulate_prices(ETRMDataConfig(**SHORT))
    days = prices.days
    for day in days.trading[::7]:
        month = int(days.month[day]) + 3
        price = month_price(prices.curve, day, np.arange(len(prices.names)), np.array(month))
        assert np.isfinite(price).all()


@given(st.floats(1, 200), st.floats(1, 200), st.floats(1e-6, 4))
def test_a_call_less_a_put_is_the_forward_less_the_strike(forward, strike, variance):
    call, put = (black(np.array(forward), np.array(strike), np.array(variance), np.array(c)) for c in (True, False))
    assert call.value - put.value == pytest.approx(forward - strike, abs=1e-9 * max(forward, strike))
    assert call.delta - put.delta == pytest.approx(1)
    assert max(forward - strike, 0) - 1e-9 <= call.value <= forward + 1e-9


def test_the_greeks_are_the_derivatives_of_the_value():
    forward, strike, variance, step = np.array(50.0), np.array(55.0), np.array(0.09), 1e-4
    for is_call in (np.array(True), np.array(False)):
        at = black(forward, strike, variance, is_call)
        up, down = (black(forward + move, strike, variance, is_call) for move in (step, -step))
        more, less = (black(forward, strike, (0.3 + move) ** 2 * np.array(1.0), is_call) for move in (step, -step))
        assert at.delta == pytest.approx((up.value - down.value) / (2 * step), rel=1e-6)
        assert at.gamma == pytest.approx((up.delta - down.delta) / (2 * step), rel=1e-6)
        assert at.vega == pytest.approx((more.value - less.value) / (2 * step), rel=1e-6)


def test_the_settings_load_nothing_heavy():
    code = (
        "import sys, core.domains.etrm.data.settings; "
        "sys.exit(any(name in sys.modules for name in ('numpy', 'pandas', 'scipy', 'pyarrow')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
