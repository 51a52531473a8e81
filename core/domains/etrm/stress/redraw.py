"""A panel of deals under a shock: the same books and random numbers, markets moved, and labels drawn again.

Prices move as those of positions do (`revaluation`), volatilities by their factor, the time to leave a position by the
bid-ask of its hub; a book is as much riskier as what it trades is more volatile. The laws of the generator are applied
to what results: the truth of a stressed deal owes nothing to any model.
"""

import numpy as np

from core.arrays import FloatArray, IntArray
from core.domains.etrm.data.prices import factors_left
from core.domains.etrm.deals.moves import UNMOVED, DealMoves
from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.settings import DealSettings
from core.domains.etrm.stress import calibration as own
from core.domains.etrm.stress.portfolio import HUB_COMMODITY, STEPS_A_YEAR
from core.domains.etrm.stress.revaluation import LOADING, by_commodity, by_hub, cost_factor
from core.domains.etrm.stress.shock import CALM, EtrmShock
from core.models.interface import Panel

_MONTHS = 12


def stressed_deals(n_rows: int, seed: int, price_seed: int, settings: DealSettings, shock: EtrmShock) -> Panel:
    """Draw a panel of deals under a shock; without a shock, it is that of `draw_deals`, byte for byte."""
    return draw_deals(n_rows, seed, price_seed, settings, UNMOVED if shock == CALM else deal_moves(shock))


def deal_moves(shock: EtrmShock) -> DealMoves:
    """Return what a shock moves in the markets of deals."""
    level, front = by_commodity(shock.level), by_commodity(shock.front)
    hub_level, hub_front, hub_add = by_hub(shock.hub_level), by_hub(shock.hub_front), by_hub(shock.hub_add)

    def ln_price(hub: IntArray, months: FloatArray) -> FloatArray:
        commodity = HUB_COMMODITY[hub]
        near, far = factors_left(commodity, months * STEPS_A_YEAR[commodity] / _MONTHS)
        common = LOADING[hub] * (level[commodity] * far + front[commodity] * near)
        return np.asarray(common + hub_level[hub] * far + hub_front[hub] * near)

    def price(hub: IntArray, months: FloatArray) -> FloatArray:
        return np.asarray(hub_add[hub] * np.exp(-own.PROMPT_KAPPA.value * months / _MONTHS))

    return DealMoves(
        ln_price=ln_price,
        price=price,
        volatility=tuple(by_commodity(shock.volatility_factor, 1.0).tolist()),
        liquidation=tuple(cost_factor(shock).tolist()),
    )
