"""The price of a deal beside the market's, and the deals that are off-market.

A sound deal lies from the market by a normal miss whose sd depends on the market's volatility, the time to liquidate,
the venue and the instrument. An off-market one is moved by several of these sds, either way.
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtr

from core.arrays import FloatArray
from core.domains.etrm.deals import calibration as cal
from core.domains.etrm.deals.scores import DealLabels


def quote_sd(columns: Mapping[str, FloatArray], labels: DealLabels) -> FloatArray:
    """Return the sd of a sound deal's miss, per price unit, shape (n,)."""
    law = cal.QUOTE_SCALE.value
    log = law["ln_volatility"] * np.log(columns["volatility"])
    log = log + law["ln_liquidation"] * np.log(columns["liquidation_days"])
    return np.asarray(np.exp(log + ln_sd_of_kind(labels)))


def ln_sd_of_kind(labels: DealLabels) -> FloatArray:
    """Return what the kind of each deal adds to the log of the sd: its venue, and whether it is an option."""
    law = cal.QUOTE_SCALE.value
    venue, venues = labels["venue"]
    instrument, instruments = labels["instrument"]
    return np.asarray(
        law["intercept"]
        + law["otc"] * (venue == venues.index("OTC"))
        + law["otf"] * (venue == venues.index("OTF"))
        + law["option"] * (instrument == instruments.index("option"))
    )


def price_unit(market: FloatArray) -> FloatArray:
    """Return what a miss is measured in: the size of the market price, at least `PRICE_FLOOR`."""
    return np.abs(market) + cal.PRICE_FLOOR.value


def miss_of(price: FloatArray, market: FloatArray) -> FloatArray:
    """Return how far prices lie from the market's, in price units."""
    return np.asarray((price - market) / price_unit(market))


def off_market_evidence(miss: FloatArray, sd: FloatArray) -> FloatArray:
    """Return the log likelihood ratio of an off-market price against a sound one, nats, of the shape of the miss."""
    wrong, sound = ln_densities(miss, sd)
    return np.asarray(wrong - sound)


def ln_densities(miss: FloatArray, sd: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the log density of the miss of an off-market price, and of a sound one; the arguments broadcast.

    A sound miss is normal; an off-market one is normal around a uniform move of either sign, so its density is a
    difference of two normal distribution functions, over the width of the uniform.
    """
    z, ln_sd = np.abs(miss) / sd, np.log(sd)
    near, far = cal.OFF_MARKET.value
    wrong = (ndtr(z - near) - ndtr(z - far) + ndtr(-z - near) - ndtr(-z - far)) / (2 * (far - near))
    sound = -np.square(z) / 2 - np.log(2 * np.pi) / 2
    return np.log(np.maximum(wrong, 1e-300)) - ln_sd, sound - ln_sd
