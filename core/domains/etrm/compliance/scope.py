"""Which trades are derivatives, and where they deliver: what several regimes ask."""

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.regime import CheckSettings
from core.domains.etrm.compliance.trades import TradeColumns

US_DOLLAR, EURO = "USD", "EUR"


def is_derivative(trades: TradeColumns) -> BoolArray:
    """Return which trades are derivatives in the Union: futures, swaps, options, and forwards that are no mere supply.

    A forward settled in cash is one (C 5), and so is one on emission allowances, however it is settled (C 4). Another
    that must be delivered is one where it is traded on an exchange or an OTF (C 6); on an OTF, power, gas and LNG
    delivered in the Union are carved out, since REMIT binds them. Off venue, C 7 asks that a contract serves no
    commercial purpose and is like those of a venue: a file does not show that, so a bilateral forward that must be
    delivered counts as a supply. Where the file does not say the venue or the settlement, a forward counts as a
    derivative, so that none is overlooked.

    Source:
        Directive 2014/65/EU, annex I, section C, points 4 to 7; Delegated Regulation (EU) 2017/565, articles 5 to 7;
        Regulation (EU) 1227/2011, article 2(4); Regulation (EU) 648/2012, article 2(5).
    """
    found = trades.among("instrument", law.DERIVATIVES.value)
    if "settlement" in trades and "venue" in trades:
        must_deliver = trades.among("instrument", ("forward",)) & trades.among("settlement", ("physical",))
        is_energy = trades.among("commodity", law.WHOLESALE_ENERGY.value) & trades.among("hub", law.UNION_HUBS.value)
        is_carved_out = trades.among("venue", ("OTF",)) & is_energy
        is_allowance = trades.among("commodity", law.ALLOWANCES.value)
        found &= ~(must_deliver & (is_carved_out | (trades.among("venue", ("OTC",)) & ~is_allowance)))
    return found


def is_swap_or_future(trades: TradeColumns) -> BoolArray:
    """Return which trades are futures, swaps or options in the United States; a forward that must be delivered is none.

    It is a sale for deferred delivery, wherever it was traded but on an exchange. Where the file does not say the
    venue or the settlement, a forward counts, so that none is overlooked.

    Source:
        7 U.S.C. 1a(27) and 1a(47)(B)(ii) (forward contract exclusion).
    """
    found = trades.among("instrument", law.DERIVATIVES.value)
    if "settlement" in trades and "venue" in trades:
        must_deliver = trades.among("instrument", ("forward",)) & trades.among("settlement", ("physical",))
        found &= ~(must_deliver & trades.among("venue", ("OTF", "OTC")))
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
