"""Price, yield and risk of a fixed-rate bond with half-yearly coupons: exact, from its cash flows."""

from typing import NamedTuple

import numpy as np

from core.arrays import FloatArray
from core.domains.bonds.data import calibration as cal

FREQUENCY = 2  # coupons a year


class Valuation(NamedTuple):
    """Per bond, shape (n,): prices in % of par, duration in years, convexity in years squared."""

    clean_price: FloatArray
    dirty_price: FloatArray
    mod_duration: FloatArray
    convexity: FloatArray


def _loading(maturity: FloatArray | float) -> FloatArray | float:
    """Return the Nelson-Siegel loading (1 - exp(-T/decay)) / (T/decay)."""
    scaled = np.asarray(maturity) / cal.BASE_CURVE.value["decay"]
    loading: FloatArray = -np.expm1(-scaled) / scaled
    return loading


def base_yield(policy_rate: FloatArray, slope: FloatArray, maturity: FloatArray) -> FloatArray:
    """Return the risk-free yield, in %, of a Nelson-Siegel curve through both of its known ends.

    Args:
        policy_rate: Three-month rate, %.
        slope: Ten-year minus three-month rate, %.
        maturity: Years, positive.
    Source:
        Nelson and Siegel, Journal of Business 60(4), 1987; level and slope only.

    >>> base_yield(np.array([2.0]), np.array([1.5]), np.array([10.0])).round(6).tolist()
    [3.5]
    """
    short, long = _loading(cal.BASE_CURVE.value["short_end"]), _loading(cal.BASE_CURVE.value["long_end"])
    tilt = -slope / (short - long)
    curve: FloatArray = policy_rate + tilt * (_loading(maturity) - short)
    return curve


def value(coupon_pct: FloatArray, maturity: FloatArray, ytm_pct: FloatArray) -> Valuation:
    """Value bonds at their yield to maturity.

    The price is sum CF_t (1 + y/f)^(-f t), duration sum t PV_t / (P (1 + y/f)), and convexity
    sum t (t + 1/f) PV_t / (P (1 + y/f)^2), all over the dirty price.

    Args:
        coupon_pct: Yearly coupon, % of par, shape (n,).
        maturity: Years to maturity, positive.
        ytm_pct: Yield to maturity, %, compounded half-yearly.

    >>> value(np.array([5.0]), np.array([7.0]), np.array([5.0])).clean_price.round(9).tolist()
    [100.0]
    """
    period = 1 / FREQUENCY
    n_coupons = np.maximum(np.ceil(np.round(maturity * FREQUENCY, 9)).astype(np.int64), 1)
    growth = 1 + ytm_pct / 100 / FREQUENCY
    discount = 1 / growth
    coupon = coupon_pct / FREQUENCY
    # Cash flows are processed one period at a time over the bonds that still pay, longest first.
    order = np.argsort(-n_coupons, kind="stable")
    n_paying = len(order) - np.searchsorted(np.sort(n_coupons), np.arange(n_coupons.max(initial=0)), side="right")
    time = (maturity - (n_coupons - 1) * period)[order]
    first = time.copy()
    present, coupon_sorted, discount = discount[order] ** (time * FREQUENCY), coupon[order], discount[order]
    dirty, weighted, curved = np.zeros((3, len(order)))
    for n in n_paying.tolist():
        flow = present[:n] * coupon_sorted[:n]
        dirty[:n] += flow
        weighted[:n] += time[:n] * flow
        curved[:n] += time[:n] * (time[:n] + period) * flow
        time[:n] += period
        present[:n] *= discount[:n]
    redemption = maturity[order]
    principal = 100 * discount ** (redemption * FREQUENCY)
    dirty += principal
    weighted += redemption * principal
    curved += redemption * (redemption + period) * principal
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    dirty, weighted, curved = dirty[back], weighted[back], curved[back]
    accrued = coupon * (1 - first[back] * FREQUENCY)
    return Valuation(dirty - accrued, dirty, weighted / (dirty * growth), curved / (dirty * growth**2))


def value_to_worst(
    coupon_pct: FloatArray, maturity: FloatArray, ytm_pct: FloatArray, first_call: FloatArray
) -> Valuation:
    """Value bonds that may be called at par from a date on: the least price over every possible redemption.

    At one yield, the price is least at the earliest call if the coupon exceeds the yield, else at maturity, so the
    two cover all dates between them. The yield given is then the yield to worst. The option's time value is left out.

    Args:
        coupon_pct: Yearly coupon, % of par, shape (n,).
        maturity: Years to maturity, positive.
        ytm_pct: Yield to worst, %, compounded half-yearly.
        first_call: Years to the first call, NaN where a bond cannot be called; a past call needs notice still.
    Returns:
        Price, duration and convexity to the worst date.

    >>> to_worst = value_to_worst(np.array([8.0]), np.array([7.0]), np.array([4.0]), np.array([1.0]))
    >>> to_worst.clean_price.round(3).tolist()
    [103.883]
    """
    can_be_called = ~np.isnan(first_call)
    earliest = np.minimum(np.maximum(first_call, cal.CALL_NOTICE.value), maturity)
    is_called = can_be_called & (coupon_pct > ytm_pct)
    return value(coupon_pct, np.where(is_called, earliest, maturity), ytm_pct)


def expansion(mod_duration: FloatArray, convexity: FloatArray, yield_change: FloatArray) -> FloatArray:
    """Return the second-order estimate of the relative price change; a check on exact repricing, never a price.

    Args:
        mod_duration: Years.
        convexity: Years squared.
        yield_change: As a fraction: 0.02 for 200 bp.
    """
    estimate: FloatArray = -mod_duration * yield_change + convexity * yield_change**2 / 2
    return estimate


def recovery_floor(lgd: FloatArray) -> FloatArray:
    """Return the price floor of a bond, in % of par: the recovery in default."""
    return 100 * (1 - lgd)
