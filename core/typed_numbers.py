"""Numbers as people and clients type them: ASCII digits, a sign, a point, an exponent.

Python reads more than that: `1_000`, `١٢`, ` 5 `, `nan` and `infinity` are numbers to `int` and `float`. A typed number
that another program would read in another way, or not at all, is refused.
"""

import re

_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_MAX_DIGITS = 4300  # what Python reads into a whole number, whatever its own limit is set to


def whole_number(text: str) -> int:
    """Read a whole number exactly.

    Raises:
        ValueError: The text is anything else, or longer than 4,300 digits.

    >>> whole_number("-12"), whole_number("12345678901234567")
    (-12, 12345678901234567)
    """
    if _WHOLE.fullmatch(text) is None or len(text) > _MAX_DIGITS:
        raise ValueError(f"{text[:40]!r} is not a whole number")
    return int(text)


def decimal_number(text: str) -> float:
    """Read a number; one beyond the range of a float is infinite.

    Raises:
        ValueError: The text is anything else, also `nan` and `inf`.

    >>> decimal_number("1.5e-3"), decimal_number("1e999")
    (0.0015, inf)
    """
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is not a number")
    return float(text)
