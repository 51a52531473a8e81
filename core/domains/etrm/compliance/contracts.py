"""One number for each contract: trades of one number deliver the same thing on the same terms."""

import numpy as np

from core.arrays import AnyArray, IntArray
from core.domains.etrm.compliance.trades import TradeColumns

TERMS = ("commodity", "hub", "instrument", "currency", "option_type")


def contract_of(trades: TradeColumns, terms: tuple[str, ...] = TERMS) -> IntArray:
    """Return the contract of each trade, shape (n,): by these terms, its delivery and its strike.

    A term that the file does not have tells no contracts apart.
    """
    keys: list[AnyArray] = [trades.words[name].codes.astype(np.int64) for name in terms if name in trades.words]
    keys += [trades.days[name].astype(np.int64) for name in ("delivery_start", "delivery_end") if name in trades.days]
    if "strike" in trades:
        keys.append(np.nan_to_num(trades.numbers["strike"], nan=np.inf).view(np.int64))
    contract = np.zeros(len(trades), dtype=np.int64)
    for key in keys:
        _, code = np.unique(key, return_inverse=True)
        # Renumbered after each term, so the product stays far below the largest integer.
        _, contract = np.unique(contract * (int(code.max(initial=0)) + 1) + code, return_inverse=True)
    return contract.astype(np.int64)
