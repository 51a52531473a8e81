"""Exact prices of many fixed-rate bonds at many yields: the sum over their cash flows, in closed form.

`core.domains.bonds.data.pricing` adds up the same cash flows one by one, with duration and convexity. A stress test
asks for a price alone, at dozens of yields a bond.
"""

import numpy as np

from core.arrays import FloatArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.pricing import FREQUENCY


def clean_price(coupon_pct: FloatArray, maturity: FloatArray, ytm_pct: FloatArray) -> FloatArray:
    """Price bonds at their yield to maturity: P = sum CF_t (1 + y/f)^(-f t), less accrued interest.

    The coupons are a geometric series, c v^a (1 - v^n) / (1 - v) with v = 1 / (1 + y/f), a the first coupon's time in
    periods and n their number; at v = 1 it is c n.

    Args:
        coupon_pct: Yearly coupon, % of par.
        maturity: Years to maturity, positive.
        ytm_pct: Yield, %, compounded half-yearly; the arrays are broadcast.
    Returns:
        % of par.

    >>> clean_price(np.array([5.0]), np.array([7.0]), np.array([[5.0], [0.0]])).round(9).tolist()
    [[100.0], [135.0]]
    """
    periods = maturity * FREQUENCY
    n_coupons = np.maximum(np.ceil(np.round(periods, 9)), 1)
    first = periods - (n_coupons - 1)
    ln_discount = -np.log1p(ytm_pct / 100 / FREQUENCY)
    with np.errstate(invalid="ignore", divide="ignore"):
        series = np.expm1(n_coupons * ln_discount) / np.expm1(ln_discount)
    series = np.where(ln_discount == 0, n_coupons, series)
    coupon = coupon_pct / FREQUENCY
    price: FloatArray = (
        coupon * np.exp(first * ln_discount) * series + 100 * np.exp(periods * ln_discount) - coupon * (1 - first)
    )
    return price


def redemptions(maturity: FloatArray, first_call: FloatArray) -> FloatArray:
    """Return the years to the earliest possible redemption: that of a bond without a call is its maturity."""
    earliest: FloatArray = np.minimum(np.maximum(first_call, cal.CALL_NOTICE.value), maturity)
    return np.where(np.isnan(first_call), maturity, earliest)


def price_to_worst(
    coupon_pct: FloatArray, maturity: FloatArray, earliest: FloatArray, ytm_pct: FloatArray, floor: FloatArray
) -> FloatArray:
    """Price bonds that may be called at par: the lesser of the prices at both ends, and never less than the recovery.

    Args:
        coupon_pct: Yearly coupon, % of par, shape (n,).
        maturity: Years, shape (n,).
        earliest: Of `redemptions`, shape (n,).
        ytm_pct: Yields, %, shape (..., n).
        floor: Recovery in default, % of par, shape (n,).
    """
    price = clean_price(coupon_pct, maturity, ytm_pct)
    called = np.flatnonzero(earliest < maturity)
    if len(called):
        at_call = clean_price(coupon_pct[called], earliest[called], ytm_pct[..., called])
        price[..., called] = np.minimum(price[..., called], at_call)
    worst: FloatArray = np.maximum(price, floor, out=price)
    return worst


def yield_at(coupon_pct: FloatArray, maturity: FloatArray, earliest: FloatArray, price: FloatArray) -> FloatArray:
    """Find the yield to worst, %, at which bonds have their clean prices, by bisection.

    Args:
        coupon_pct: Yearly coupon, % of par, shape (n,).
        maturity: Years, shape (n,).
        earliest: Of `redemptions`, shape (n,).
        price: % of par, shape (n,).
    """
    low, high = np.full(len(price), -50.0), np.full(len(price), 1_000.0)
    floor = np.zeros(len(price))
    for _ in range(60):
        middle = (low + high) / 2
        is_dear = price_to_worst(coupon_pct, maturity, earliest, middle, floor) > price
        low, high = np.where(is_dear, middle, low), np.where(is_dear, high, middle)
    found: FloatArray = (low + high) / 2
    return found
