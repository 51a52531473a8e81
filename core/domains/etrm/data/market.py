"""The world in which trades are made: settings, prices, desks, and the days on which each trade falls."""

from dataclasses import dataclass

import numpy as np

from core.arrays import IntArray
from core.domains.draws import frozen, stream
from core.domains.etrm.data.desks import Desks, desks_of
from core.domains.etrm.data.prices import PriceSeries, simulate_prices
from core.domains.etrm.data.settings import ETRMDataConfig


@dataclass(frozen=True, slots=True)
class Market:
    """What every part of a data set shares.

    Attributes:
        settings: The request.
        prices: The prices of the chosen hubs.
        desks: The books and their hubs.
        made_by: How many trades have been made by the end of each trading day.
    """

    settings: ETRMDataConfig
    prices: PriceSeries
    desks: Desks
    made_by: IntArray

    def day_of_trade(self, serial: IntArray) -> IntArray:
        """Return the trading day of each trade, by its number from 0."""
        return self.prices.days.trading[np.searchsorted(self.made_by, serial, side="right")]


def open_market(settings: ETRMDataConfig, prices: PriceSeries | None = None) -> Market:
    """Lay out the market of a data set.

    Args:
        settings: The request.
        prices: Those of `simulate_prices(settings)`, if they have been simulated already.
    """
    prices = simulate_prices(settings) if prices is None else prices
    n_days = len(prices.days.trading)
    per_day = stream(settings.random_seed, "trades per day").multinomial(
        settings.num_trades, np.full(n_days, 1 / n_days)
    )
    return Market(settings, prices, desks_of(settings), frozen(np.cumsum(per_day)))
