"""Pseudonyms by keyed hash: who has the key finds the same one for the same value, nobody else finds the value.

The hash is HMAC-SHA-256, cut to 128 bits. Two different values of 1,000 million share a pseudonym with a probability of
about 10⁻²¹ (birthday bound: n² / 2¹²⁹).
"""

import hmac
import math
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from numbers import Integral, Real
from typing import Any

from core.settings.patterns import visible

_PURPOSE = b"bondx pseudonyms 1\0"
_DIGITS = 32  # hexadecimal, 128 bits
_MARK = "p"  # no pseudonym can be read as a number


class Pseudonyms:
    """Pseudonyms of one key.

    Names of values that must have the same pseudonym in several tables share a domain; in different domains the same
    value has different pseudonyms, so that two columns cannot be joined by accident.
    """

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, _PURPOSE, "sha256")

    def of(self, value: object, domain: str) -> str | None:
        """Return the pseudonym of a value; None for a missing one.

        Args:
            value: Text, number, flag, date or nothing.
            domain: Whose values it is one of, such as the name of the column; names that look the same are the same.

        >>> names = Pseudonyms(b"sixteen letters!")
        >>> names.of("Ana", "customer") == names.of("Ana", "customer") != names.of("Ana", "seller")
        True
        >>> names.of("Ana", "customer")
        'pec3207b842c13dc4195b8ea2d6a9af51'
        """
        if (text := canonical_text(value)) is None:
            return None
        # The length of the domain stands first, so that no other pair of domain and text has the same bytes.
        name = visible(domain).encode("utf-8", "surrogatepass")
        content = len(name).to_bytes(8, "big") + name + text.encode("utf-8", "surrogatepass")
        return _MARK + hmac.digest(self._key, content, "sha256").hex()[:_DIGITS]

    def of_each(self, values: Iterable[object], domain: str) -> Mapping[object, str | None]:
        """Return the pseudonym of each different value."""
        return {value: self.of(value, domain) for value in values}


def canonical_text(value: object) -> str | None:
    """Return the text by which a value is known, however it was read; None for a missing value.

    Text is brought to Unicode's normal form C: an é that was typed as e and an accent is the same letter. Nothing else
    is changed: upper and lower case, spaces and zeros in front are part of a value.

    >>> [canonical_text(each) for each in (7, 7.0, "7", "007", True, None, float("nan"), -0.0, 0.5)]
    ['7', '7', '7', '007', 'true', None, None, '0', '0.5']
    >>> canonical_text("e\\u0301") == canonical_text("\\u00e9")
    True
    """
    item: Any = value.item() if hasattr(value, "item") else value  # of numpy
    if item is None or is_missing(item):
        return None
    if isinstance(item, str):
        return unicodedata.normalize("NFC", item)
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, Integral):
        return str(int(item))
    if isinstance(item, Real):
        number = float(item)
        return str(int(number)) if number.is_integer() else repr(number)
    if isinstance(item, date):  # also a time
        return item.isoformat()
    return unicodedata.normalize("NFC", str(item))


def is_missing(value: object) -> bool:
    """Return whether a value stands for nothing: NaN, and pandas' NaT and NA, which are not equal to themselves."""
    if isinstance(value, float):
        return math.isnan(value)
    return type(value).__name__ in ("NAType", "NaTType")
