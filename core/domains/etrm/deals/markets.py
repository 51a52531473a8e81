"""What a simulated price path says on a day: forwards, realised volatilities, and the slope of the curves."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np

from core.arrays import AnyArray, FloatArray, IntArray
from core.domains.draws import frozen
from core.domains.etrm.data import calibration as market_cal
from core.domains.etrm.data.prices import PriceSeries, simulate_prices
from core.domains.etrm.data.settings import COMMODITIES, ETRMDataConfig
from core.domains.etrm.deals import calibration as cal

FIRST_DAY = date(2020, 1, 1)
_LEAST_VOLATILITY = 0.02
SLOPE_TENOR = 12  # months


@dataclass(frozen=True, slots=True)
class Markets:
    """The markets on every trading day of a period.

    Attributes:
        dates: Shape (T,), datetime64[D].
        forward: Per day, hub and tenor of the calibration, in currency per unit, shape (T, k, tenors).
        volatility: Realised, a year, of the front month (the shifted price of power), shape (T, k).
        slope: Log of the twelve-month over the one-month forward, shape (T, k).
        commodity: The position of each hub's commodity in `COMMODITIES`, shape (k,).
        is_usd: Whether a hub is quoted in USD, shape (k,).
        weight: A hub's share of its commodity's deals, shape (k,).
        names: The hubs.
        moves: What the front month gained on every weekday over the day before, as a share of its price (the shifted
            one of power); those of the history before the period included, shape (D, k).
    """

    dates: AnyArray
    forward: FloatArray
    volatility: FloatArray
    slope: FloatArray
    commodity: IntArray
    is_usd: AnyArray
    weight: FloatArray
    names: tuple[str, ...]
    moves: FloatArray


@lru_cache(maxsize=4)
def markets_of(price_seed: int, n_years: int) -> Markets:
    """Simulate a price path, and read it; the same arguments give the same markets."""
    last = date(FIRST_DAY.year + n_years - 1, 12, 31)
    series = simulate_prices(
        ETRMDataConfig(start_date=FIRST_DAY, end_date=last, random_seed=price_seed, num_risk_reports=0)
    )
    trading = series.days.trading
    shift = series.shift
    front = np.log(np.maximum(series.forward[:, :, 0] + shift, 0.01))
    window = cal.VOLATILITY_DAYS.value
    steps = np.square(np.diff(front, axis=0, prepend=front[:1]))
    total = np.cumsum(steps, axis=0)
    per_day = (total[trading] - total[trading - window]) / window
    tenors = [int(np.flatnonzero(series.tenors == months)[0]) for months in cal.TENOR_MONTHS.value]
    far = int(np.flatnonzero(series.tenors == SLOPE_TENOR)[0])
    slope = np.log(np.maximum(series.forward[:, :, far] + shift, 0.01)) - front
    return Markets(
        dates=frozen(series.dates[trading]),
        forward=frozen(series.forward[trading][:, :, tenors]),
        volatility=frozen(np.maximum(np.sqrt(per_day * market_cal.DAYS_IN_YEAR), _LEAST_VOLATILITY)),
        slope=frozen(slope[trading]),
        commodity=series.commodity_index,
        is_usd=np.array([hub.currency == "USD" for hub in series.hubs]),
        weight=np.array([hub.weight for hub in series.hubs]),
        names=series.names,
        moves=frozen(_moves(series)),
    )


def _moves(series: PriceSeries) -> FloatArray:
    """Return one day's moves, all of one law: the Monday of a market that is open at weekends counts from Sunday."""
    shifted = series.forward[:, :, 0] + series.shift
    weekday = np.flatnonzero(series.days.is_weekday[: series.days.n_priced])[1:]
    return np.asarray(shifted[weekday] / shifted[weekday - 1] - 1)


def commodity_volatility(markets: Markets) -> FloatArray:
    """Return the volatility of each commodity, that of its first hub, shape (T, commodities)."""
    first = [int(np.flatnonzero(markets.commodity == code)[0]) for code in range(len(COMMODITIES))]
    return markets.volatility[:, first]
