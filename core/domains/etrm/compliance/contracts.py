"""One number for each contract: trades of one number deliver the same thing on the same terms."""

import numpy as np
import pandas as pd

from core.arrays import AnyArray, IntArray
from core.domains.etrm.compliance.trades import TradeColumns

TERMS = ("commodity", "hub", "instrument", "currency", "option_type")
MOST_COMBINATIONS = 2**62


def contract_of(trades: TradeColumns, terms: tuple[str, ...] = TERMS) -> IntArray:
    """Return the contract of each trade, shape (n,): by these terms, its delivery and its strike.

    A term that the file does not have tells no contracts apart.
    """
    keys: list[AnyArray] = [trades.words[name].codes for name in terms if name in trades.words]
    keys += [trades.days[name].astype(np.int64) for name in ("delivery_start", "delivery_end") if name in trades.days]
    if "strike" in trades:
        keys.append(trades.numbers["strike"])
    return same(*keys)


def same(*keys: AnyArray) -> IntArray:
    """Number the rows by several keys: rows have one number where they agree in all of them; NaN agrees with NaN."""
    number, n_numbers = np.zeros(len(keys[0]), dtype=np.int64), 1
    for key in keys:
        codes, found = pd.factorize(key, use_na_sentinel=False)
        if n_numbers * len(found) > MOST_COMBINATIONS:
            number, seen = pd.factorize(number)
            n_numbers = len(seen)
        number, n_numbers = number * len(found) + codes, n_numbers * max(len(found), 1)
    return np.asarray(pd.factorize(number)[0], dtype=np.int64)
