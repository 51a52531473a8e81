"""The order of texts with numbers, as people read them."""

import re
from typing import Any

_DIGITS = re.compile(r"([0-9]+)")


def natural(text: str) -> tuple[Any, ...]:
    """Return a key that orders the numbers in a text as numbers, ignoring case.

    >>> sorted(["1.10.0", "1.9.0", "s-0010", "S-2"], key=natural)
    ['1.9.0', '1.10.0', 'S-2', 's-0010']
    """
    # Digits stand at every second place, so a number is compared with a number.
    return tuple(int(part) if place % 2 else part for place, part in enumerate(_DIGITS.split(text.strip().casefold())))
