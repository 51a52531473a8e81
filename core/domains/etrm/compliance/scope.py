"""Which trades are derivatives, and where they deliver: what several regimes ask."""

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.regime import CheckSettings
from core.domains.etrm.compliance.trades import TradeColumns

US_DOLLAR, EURO = "USD", "EUR"


def is_derivative(trades: TradeColumns) -> BoolArray:
    """Return which trades are financial instruments: futures, swaps, options, and forwards that are no mere supply.

    A forward that must be delivered is a financial instrument on an exchange alone: on an OTF, power and gas are
    carved out, and off venue it is a commercial contract. Where the file does not say the venue or the settlement,
    a forward counts as a financial instrument, so that none is overlooked.

    Source:
        Directive 2014/65/EU, annex I, section C, points 6 and 7; Delegated Regulation (EU) 2017/565, articles 5 to 7.
    """
    found = trades.among("instrument", law.DERIVATIVES.value)
    if "settlement" in trades and "venue" in trades:
        is_supply = trades.among("instrument", ("forward",)) & trades.among("settlement", ("physical",))
        found &= ~(is_supply & trades.among("venue", ("OTF", "OTC")))
    return found


def is_known_hub(trades: TradeColumns) -> BoolArray:
    """Return which trades have a hub that the rules place in a jurisdiction."""
    return trades.among("hub", (*law.UNION_HUBS.value, *law.US_HUBS.value, *law.OTHER_HUBS.value))


def is_over_the_counter(trades: TradeColumns) -> BoolArray:
    """Return which trades were made outside an exchange; an OTF is no regulated market.

    Source:
        Regulation (EU) 648/2012, article 2(7).
    """
    return ~trades.among("venue", ("exchange",)) if "venue" in trades else np.full(len(trades), True)


def notional(trades: TradeColumns, settings: CheckSettings, currency: str = EURO) -> FloatArray:
    """Return the notional amount of each trade, shape (n,): units times price; of an option, times its strike.

    NaN where the quantity, the price or the rate of the currency is unknown.

    Source:
        Delegated Regulation (EU) 149/2013, articles 10 and 11; Commission Q&A on the notional of options.
    """
    price = trades.numbers["price"]
    if "strike" in trades:
        strike = trades.numbers["strike"]
        price = np.where(trades.among("instrument", ("option",)) & ~np.isnan(strike), strike, price)
    amount = np.abs(trades.numbers["quantity_units"] * price)
    rates = {**law.EUR_PER_UNIT.value, **settings.eur_per_unit}
    labels = trades.words["currency"]
    euros = np.array([rates.get(word.upper(), np.nan) for word in labels.words], dtype=np.float64)
    return np.asarray(amount * labels.spread(euros, np.nan) / rates[currency])
