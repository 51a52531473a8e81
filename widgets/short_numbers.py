"""Numbers with fewer digits, for a column that has no room for all of them: a cut number is another number."""

import re
from collections.abc import Iterator

from widgets.line import n_cells

_NUMBER = re.compile(
    r"(?P<before>[^\w.+-]*)(?P<number>[+-]?[0-9][0-9,]*(?:\.(?P<decimals>[0-9]+))?(?:e[+-]?[0-9]+)?)(?P<unit>\D*)"
)
_COUNT = re.compile(r"([0-9]+)/([0-9]+)")
_MOST_DECIMALS = 3


def shorter_number(text: str, width: int) -> str | None:
    """Write a number, or a count such as 1200/50000, with as many digits as there is room for.

    Args:
        text: The number with its sign and unit.
        width: The cells that there are.
    Returns:
        The text in at most `width` cells, rounded; "" if no rounding of it fits, None if it is no number.

    >>> shorter_number("-267.3%", 6), shorter_number("-26700.0%", 6), shorter_number("150,000", 6)
    ('-267%', '-3e4%', '150000')
    >>> shorter_number("0.00042 bps", 8), shorter_number("12345/50000", 9), shorter_number("skipped", 4)
    ('4e-4 bps', '12345/5e4', None)
    """
    found = _NUMBER.fullmatch(text)
    if found is not None:
        before, unit = found["before"], found["unit"]
        forms = (f"{before}{form}{unit}" for form in _forms(found["number"], len(found["decimals"] or "")))
        return next((form for form in forms if n_cells(form) <= width), "")
    if (count := _COUNT.fullmatch(text)) is None:
        return None
    for n_decimals in range(_MOST_DECIMALS, -1, -1):
        both = "/".join(min(part, _by_powers(int(part), n_decimals), key=len) for part in count.groups())
        if n_cells(both) <= width:
            return both
    return ""


def _forms(number: str, n_decimals: int) -> Iterator[str]:
    """Write a number with fewer and fewer digits, but never as a zero that it is not."""
    value = float(number.replace(",", ""))
    plus = "+" if number.startswith("+") else ""
    for left in range(n_decimals, -1, -1):
        rounded = f"{value:{plus}.{left}f}"
        if float(rounded) or not value:
            yield rounded
    for left in range(_MOST_DECIMALS, -1, -1):
        yield _by_powers(value, left, plus)


def _by_powers(value: float, n_decimals: int, plus: str = "") -> str:
    digits, _, power = f"{value:{plus}.{n_decimals}e}".partition("e")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return f"{digits}e{int(power)}"
