"""What moves the markets that deals are drawn in, beside their price path: by default nothing."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray
from core.domains.etrm.data import calibration as market_cal
from core.domains.etrm.data.settings import COMMODITIES

HubMove = Callable[[IntArray, FloatArray], FloatArray]
"""From hubs, as positions among those of the calibration, and months ahead, to what is added."""
_TRADED = np.array([[name in book.commodities for name in COMMODITIES] for book in market_cal.BOOKS.value])


def _nothing(hub: IntArray, months: FloatArray) -> FloatArray:
    return np.zeros(np.broadcast(hub, months).shape)


@dataclass(frozen=True, slots=True)
class DealMoves:
    """Moves of the markets on the day of every deal.

    Attributes:
        ln_price: Added to the log of the shifted price of a delivery.
        price: Added to the price.
        volatility: By commodity: times realised volatility.
        liquidation: By hub: times the days that it takes to leave a position.
    """

    ln_price: HubMove = _nothing
    price: HubMove = _nothing
    volatility: tuple[float, ...] = (1.0,) * len(COMMODITIES)
    liquidation: tuple[float, ...] = (1.0,) * len(market_cal.HUBS.value)

    def of_books(self) -> FloatArray:
        """Return how many times the volatility of each kind of book is the usual one: the mean of what it trades."""
        return np.asarray((_TRADED * np.array(self.volatility)).sum(axis=1) / _TRADED.sum(axis=1))


UNMOVED = DealMoves()
