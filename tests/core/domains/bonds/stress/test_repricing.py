"""Prices against sums written out cash flow by cash flow, and against formulas that share no code with ours."""

import math

import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.data.pricing import value, value_to_worst
from core.domains.bonds.stress.engine import ENGINE
from core.domains.bonds.stress.repricing import clean_price, price_to_worst, redemptions, yield_at
from core.domains.bonds.stress.shock import BondShock


def written_out(coupon, maturity, ytm):
    """Add up the cash flows of one bond, coupon by coupon, in exact order."""
    growth = 1 + ytm / 200
    times = [maturity - 0.5 * k for k in range(math.ceil(round(maturity * 2, 9))) if maturity - 0.5 * k > 1e-12]
    flows = [coupon / 2 * growth ** (-2 * t) for t in times]
    accrued = coupon / 2 * (1 - 2 * min(times))
    return math.fsum([*flows, 100 * growth ** (-2 * maturity), -accrued])


BONDS = [(coupon, maturity) for coupon in (0.0, 2.125, 5.0, 11.0) for maturity in (0.25, 0.5, 1.0, 6.83, 10.0, 29.7)]


@pytest.mark.parametrize("ytm", [-0.75, 0.0, 1e-7, 0.4, 5.0, 18.0, 90.0])
def test_a_price_is_the_sum_of_its_cash_flows(ytm):
    coupon, maturity = map(np.array, zip(*BONDS, strict=True))
    found = clean_price(coupon, maturity, np.full(len(BONDS), ytm))
    assert found == pytest.approx([written_out(c, t, ytm) for c, t in BONDS], abs=1e-9)
    assert found == pytest.approx(value(coupon, maturity, np.full(len(BONDS), ytm)).clean_price, abs=1e-9)


def test_a_callable_bond_is_priced_to_worst():
    coupon, maturity, call = np.array([8.0, 2.0, 5.0]), np.array([7.0, 7.0, 7.0]), np.array([1.0, 1.0, np.nan])
    ytm, floor = np.array([4.0, 4.0, 4.0]), np.zeros(3)
    found = price_to_worst(coupon, maturity, redemptions(maturity, call), ytm, floor)
    assert found == pytest.approx(value_to_worst(coupon, maturity, ytm, call).clean_price, abs=1e-9)


def test_no_price_is_below_the_recovery():
    arrays = np.array([5.0]), np.array([20.0]), np.array([20.0]), np.array([60.0]), np.array([38.0])
    assert price_to_worst(*arrays).tolist() == [38.0]


def test_a_yield_is_found_from_a_price():
    coupon, maturity = map(np.array, zip(*BONDS, strict=True))
    ytm = np.linspace(-0.5, 20, len(BONDS))
    price = clean_price(coupon, maturity, ytm)
    assert yield_at(coupon, maturity, maturity, price) == pytest.approx(ytm, abs=1e-9)


def a_book(**columns):
    n = len(columns["coupon_pct"])
    fields = {"bond_id": [f"B{k}" for k in range(n)], "rating": ["BBB"] * n, "position_musd": [1.0] * n}
    return ENGINE.drawn_portfolio(pd.DataFrame(fields | columns))


@pytest.mark.parametrize("bps", [-300.0, -100.0, 100.0, 200.0, 300.0, 450.0])
def test_a_parallel_shock_is_the_closed_form(bps):
    """Par bonds against the annuity formula, and zero-coupon bonds against a power."""
    held = a_book(
        coupon_pct=[4.0, 4.0, 0.0, 0.0],
        maturity_years=[7.0, 20.0, 5.0, 10.0],
        base_yield_pct=[3.0] * 4,
        spread_bps=[100.0] * 4,
    )
    found = ENGINE.profit(held, BondShock(parallel_bps=bps))
    y = (4.0 + bps / 100) / 100
    g = 1 + y / 2
    annuity = [2 * (1 - g ** (-2 * t)) / (g - 1) + 100 * g ** (-2 * t) for t in (7, 20)] if y else [128.0, 180.0]
    zeros = [100 * g ** (-2 * t) for t in (5, 10)]
    before = [100.0, 100.0, 100 * 1.02**-10, 100 * 1.02**-20]
    expected = (math.fsum([*annuity, *zeros]) - math.fsum(before)) / 100
    assert found == pytest.approx(expected, abs=1e-9)


def test_the_figures_of_the_specification():
    """+200 bp on a 7-year bond: -10.86 %; +450 bp on 20 years: -37.3 %. No expansion is that far."""
    for par, maturity, bps, percent in ((5.2, 7.0, 200.0, -10.86), (6.0, 20.0, 450.0, -37.3)):
        held = a_book(coupon_pct=[par], maturity_years=[maturity], base_yield_pct=[par - 1], spread_bps=[100.0])
        assert 100 * ENGINE.profit(held, BondShock(parallel_bps=bps)) == pytest.approx(percent, abs=0.05)


def test_a_short_shock_fades_with_maturity_and_a_long_shock_grows():
    held = a_book(coupon_pct=[0.0], maturity_years=[8.0], base_yield_pct=[3.0], spread_bps=[0.0])
    short = ENGINE.profit(held, BondShock(short_bps=300.0))
    assert short == pytest.approx((1 + (0.03 + 0.03 * math.exp(-2)) / 2) ** -16 - 1.015**-16, abs=1e-9)
    long = ENGINE.profit(held, BondShock(long_bps=150.0))
    assert long == pytest.approx((1 + (0.03 + 0.015 * (1 - math.exp(-2))) / 2) ** -16 - 1.015**-16, abs=1e-9)


def test_an_exchange_rate_moves_the_whole_value_and_nothing_else():
    held = a_book(
        coupon_pct=[4.0, 4.0], maturity_years=[5.0, 5.0], base_yield_pct=[3.0, 3.0], spread_bps=[100.0, 100.0],
        currency=["EUR", "USD"],
    )  # fmt: skip
    assert ENGINE.profit(held, BondShock(fx={"EUR": -0.1})) == pytest.approx(-0.1, abs=1e-12)
