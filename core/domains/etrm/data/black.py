"""Options on forwards: the value and the Greeks of Black's formula, for prices with a shift, without discounting."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from core.arrays import BoolArray, FloatArray

_ROOT_TWO_PI = np.sqrt(2 * np.pi)
_LEAST_VARIANCE = 1e-12


class OptionValue(NamedTuple):
    """Value and Greeks of options, each per unit, shapes as of the arguments.

    Attributes:
        value: In currency.
        delta: Change of the value for a change of 1 of the forward.
        gamma: Change of the delta for a change of 1 of the forward.
        vega: Change of the value for a change of 1 of the volatility to expiry, √variance.
    """

    value: FloatArray
    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray


def black(forward: FloatArray, strike: FloatArray, variance: FloatArray, is_call: BoolArray) -> OptionValue:
    """Value options whose shifted forward is lognormal; the arguments broadcast.

    Args:
        forward: The forward plus the shift, positive.
        strike: The strike plus the shift, positive.
        variance: Of the log of the shifted forward at expiry; at 0 the value is what exercise pays.
        is_call: Whether the option is a call, otherwise a put.
    Source:
        Black, Journal of Financial Economics 3, 1976, with the forward and the strike shifted by a constant.
    """
    root = np.sqrt(np.maximum(variance, _LEAST_VARIANCE))
    upper = np.log(forward / strike) / root + root / 2
    sign = np.where(is_call, 1.0, -1.0)
    delta = sign * ndtr(sign * upper)
    value = forward * delta - strike * sign * ndtr(sign * (upper - root))
    density = np.exp(-(upper**2) / 2) / _ROOT_TWO_PI
    return OptionValue(np.maximum(value, 0.0), delta, density / (forward * root), forward * density)
