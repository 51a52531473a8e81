"""Who trades what: the books with their hubs, the counterparties with their identifiers."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.arrays import FloatArray, IntArray
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.settings import ETRMDataConfig

BOOK_NAMES = tuple(book.name for book in cal.BOOKS.value)
OPTION_BOOK = BOOK_NAMES.index(cal.OPTION_BOOK.value)
TRADER_NAMES = tuple(
    f"TR-{book + 1:02d}-{number + 1}" for book in range(len(BOOK_NAMES)) for number in range(cal.TRADERS_PER_BOOK.value)
)
COUNTERPARTY_NAMES = tuple(f"CP-{number + 1:04d}" for number in range(cal.COUNTERPARTIES.value))
BROKER_NAMES = ("", *(f"BRK-{number + 1:02d}" for number in range(cal.BROKERS.value[0])))


@dataclass(frozen=True, slots=True)
class Desks:
    """The books of a data set, and each pair of a book and a hub that it trades.

    Attributes:
        books: The books that trade at least one chosen hub, as positions in `BOOK_NAMES`.
        book: Of each pair, a position in `BOOK_NAMES`.
        hub: Of each pair, a position among the chosen hubs.
        weight: Of each pair, its relative share of the trades.
    """

    books: IntArray
    book: IntArray
    hub: IntArray
    weight: FloatArray


def desks_of(settings: ETRMDataConfig) -> Desks:
    """Return the books that the chosen hubs leave, and their shares of the trades."""
    pairs = []
    for number, book in enumerate(cal.BOOKS.value):
        found = [
            (number, position, cal.COMMODITY_WEIGHTS.value[hub.commodity] * hub.weight)
            for position, hub in enumerate(settings.hubs)
            if hub.commodity in book.commodities
        ]
        total = sum(weight for *_, weight in found)
        pairs += [(number, position, book.weight * weight / total) for number, position, weight in found]
    book_of_pair = np.array([pair[0] for pair in pairs])
    return Desks(
        books=np.unique(book_of_pair),
        book=book_of_pair,
        hub=np.array([pair[1] for pair in pairs]),
        weight=np.array([pair[2] for pair in pairs]),
    )


def counterparty_shares() -> FloatArray:
    """Return the share of the trades of each counterparty, by Zipf's law."""
    weight = 1 / np.arange(1, len(COUNTERPARTY_NAMES) + 1) ** cal.COUNTERPARTY_EXPONENT.value
    return np.asarray(weight / weight.sum())


@lru_cache(maxsize=1)
def counterparty_leis() -> tuple[str, ...]:
    """Return a LEI-shaped identifier of each counterparty, under a prefix that no issuer has, with check digits."""
    return tuple(lei_like(f"{number + 1:014d}") for number in range(len(COUNTERPARTY_NAMES)))


def lei_like(body: str) -> str:
    """Return a LEI-shaped identifier: the prefix, 14 characters, and the two check digits of ISO 7064, MOD 97-10.

    >>> lei_like("0" * 13 + "1")
    'SYN00000000000000128'
    """
    text = cal.LEI_PREFIX.value + body
    number = int("".join(str(int(character, 36)) for character in text) + "00")
    return f"{text}{98 - number % 97:02d}"


OWN_LEI = lei_like("OWNTRADINGFIRM")
"""The identifier of the firm whose trades these are."""
