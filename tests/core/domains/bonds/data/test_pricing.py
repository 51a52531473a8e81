import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domains.bonds.data import pricing

coupons = st.floats(0, 15)
maturities = st.floats(0.02, 40)
yields = st.floats(-0.9, 40)


def dirty(coupon: float, maturity: float, ytm: float) -> float:
    """Price by the sum over cash flows, as the textbook writes it."""
    price, time = 0.0, maturity
    while time > 1e-9:
        price += (coupon / 2 + (100 if time == maturity else 0)) * (1 + ytm / 200) ** (-2 * time)
        time -= 0.5
    return price


def value(coupon: float, maturity: float, ytm: float) -> pricing.Valuation:
    return pricing.value(np.array([coupon]), np.array([maturity]), np.array([ytm]))


@settings(max_examples=150, deadline=None)
@given(coupons, maturities, yields)
def test_prices_are_the_sum_of_discounted_cash_flows(coupon, maturity, ytm):
    # A coupon due within a millionth of a day of today may or may not be counted.
    if abs(maturity * 2 - round(maturity * 2)) < 1e-6:
        maturity = round(maturity * 2) / 2
    assert value(coupon, maturity, ytm).dirty_price[0] == pytest.approx(dirty(coupon, maturity, ytm), rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(coupons, maturities, st.floats(0, 30))
def test_duration_and_convexity_are_derivatives_of_the_price(coupon, maturity, ytm):
    step = 1e-3
    low, middle, high = (value(coupon, maturity, ytm + shift * 100 * step) for shift in (-1, 0, 1))
    price = middle.dirty_price[0]
    slope = (high.dirty_price[0] - low.dirty_price[0]) / (2 * step * price)
    bend = (high.dirty_price[0] - 2 * price + low.dirty_price[0]) / (step**2 * price)
    assert middle.mod_duration[0] == pytest.approx(-slope, rel=2e-3, abs=1e-6)
    assert middle.convexity[0] == pytest.approx(bend, rel=2e-3, abs=1e-4)


@pytest.mark.parametrize("maturity", [0.5, 3.0, 7.0, 30.0])
def test_a_bond_at_its_own_yield_is_at_par(maturity):
    assert value(4.5, maturity, 4.5).clean_price[0] == pytest.approx(100)


def test_bonds_are_valued_the_same_together_and_alone():
    rng = np.random.default_rng(0)
    coupon, maturity, ytm = rng.uniform(0, 12, 50), rng.uniform(0.1, 30, 50), rng.uniform(0, 20, 50)
    together = pricing.value(coupon, maturity, ytm)
    alone = [value(*bond) for bond in zip(coupon, maturity, ytm, strict=True)]
    for field in pricing.Valuation._fields:
        assert getattr(together, field) == pytest.approx([getattr(one, field)[0] for one in alone])


@pytest.mark.parametrize(
    ("maturity", "coupon", "shock", "exact", "estimate"),
    [
        pytest.param(7.0, 5.0, 0.020, -0.1092, -0.1088, id="200 bp on 7 years: the expansion will do"),
        pytest.param(20.0, 6.0, 0.045, -0.3732, -0.3309, id="450 bp on 20 years: only exact repricing will"),
    ],
)
def test_large_shocks_need_exact_repricing(maturity, coupon, shock, exact, estimate):
    before, after = value(coupon, maturity, coupon), value(coupon, maturity, coupon + 100 * shock)
    assert after.dirty_price[0] / before.dirty_price[0] - 1 == pytest.approx(exact, abs=5e-5)
    expansion = pricing.expansion(before.mod_duration, before.convexity, np.array([shock]))
    assert expansion[0] == pytest.approx(estimate, abs=5e-5)


def test_the_base_curve_meets_both_of_its_ends():
    rate, slope = np.array([1.0, 5.0, -0.5]), np.array([2.0, -1.0, 0.0])
    assert pricing.base_yield(rate, slope, np.full(3, 0.25)) == pytest.approx(rate)
    assert pricing.base_yield(rate, slope, np.full(3, 10.0)) == pytest.approx(rate + slope)


def test_published_figures_agree_with_one_another(panel):
    bonds = panel.bonds[panel.bonds["anomaly_type"].isin(["none", "off_market", "stale_price"])].dropna(
        subset=["coupon_pct"]
    )
    assert bonds["ytm_pct"].to_numpy() == pytest.approx(
        (bonds["base_yield_pct"] + bonds["spread_bps"] / 100).to_numpy(), abs=2e-5
    )
    maturity = (bonds["maturity_date"] - bonds["as_of_date"]).dt.days.to_numpy() / 365.25
    first_call = years_to(bonds, "first_call_date")
    repriced = pricing.value_to_worst(bonds["coupon_pct"].to_numpy(), maturity, bonds["ytm_pct"].to_numpy(), first_call)
    floored = np.maximum(repriced.clean_price, bonds["clean_price"].to_numpy().min())
    assert np.abs(bonds["clean_price"] - floored).quantile(0.99) < 1e-3
    assert bonds["mod_duration"].to_numpy() == pytest.approx(repriced.mod_duration, rel=1e-4, abs=1e-4)


def years_to(bonds: pd.DataFrame, date: str) -> np.ndarray:
    return ((bonds[date] - bonds["as_of_date"]).dt.days / 365.25).to_numpy()


@pytest.mark.parametrize(
    ("first_call", "redeemed"),
    [
        pytest.param(3.0, 3.0, id="at the first call"),
        pytest.param(-2.0, 1 / 12, id="after notice, since the first call is past"),
        pytest.param(np.nan, 10.0, id="at maturity: not callable"),
    ],
)
def test_a_bond_that_pays_more_than_its_yield_is_worth_its_worst_redemption(first_call, redeemed):
    coupon, maturity, ytm = np.array([8.0]), np.array([10.0]), np.array([4.0])
    worst = pricing.value_to_worst(coupon, maturity, ytm, np.array([first_call]))
    assert worst == pricing.value(coupon, np.array([redeemed]), ytm)


@pytest.mark.parametrize("coupon", [0.0, 3.0, 5.0, 9.0])
def test_no_call_date_is_worse_than_the_one_chosen(coupon):
    """By search over all coupon dates from the first call on; so the yield given is the yield to worst."""
    every = np.arange(2.0, 10.01, 0.5)
    n = len(every)
    searched = pricing.value(np.full(n, coupon), every, np.full(n, 5.0)).clean_price.min()
    chosen = pricing.value_to_worst(np.array([coupon]), np.array([10.0]), np.array([5.0]), np.array([2.0]))
    assert chosen.clean_price[0] == pytest.approx(searched)


def test_callable_bonds_are_not_priced_as_bullets(big_panel):
    bonds = big_panel.bonds
    until_call = years_to(bonds, "first_call_date")
    assert (np.isnan(until_call) == ~bonds["callable"]).all()
    now = until_call <= 0
    assert now.sum() > 500
    assert bonds["clean_price"][now].max() < 101
    later = until_call >= 1 / 12
    assert bonds["clean_price"][later].quantile(0.99) < 120
    to_call = pricing.value(
        bonds["coupon_pct"][later].to_numpy(), until_call[later], bonds["ytm_pct"][later].to_numpy()
    ).clean_price
    richer = bonds["coupon_pct"][later] > bonds["ytm_pct"][later]
    assert (bonds["clean_price"][later] <= to_call + 1e-3)[richer].all()


def test_bonds_are_issued_near_par(big_panel):
    young = big_panel.bonds[big_panel.bonds["age_years"] < 0.5]
    assert young["clean_price"].quantile([0.25, 0.75]).between(92, 105).all()


def test_no_bond_trades_below_its_recovery_in_default(panel):
    lowest = {"secured": 54, "senior_unsecured": 38, "subordinated": 32, "junior_subordinated": 23}
    prices = panel.bonds["clean_price"].groupby(panel.bonds["seniority"], observed=True).min()
    assert all(prices[name] >= floor - 1e-9 for name, floor in lowest.items() if name in prices)
