"""The numbers and days in arguments (argparse types). A refusal names the text and the range."""

import argparse
import math
from collections.abc import Callable
from datetime import date
from typing import TypeVar

from core.typed_numbers import decimal_number, whole_number

N = TypeVar("N", int, float)

_MAX_WHOLE = 10**18  # below 2⁶³, so every store and every library holds it


def whole(text: str) -> int:
    """Read a whole number of at most 18 digits."""
    demand = "a whole number of at most 18 digits, such as 12"
    return _read(text, whole_number, lambda number: abs(number) < _MAX_WHOLE, demand)


def count(text: str) -> int:
    """Read a whole number of 1 or more."""
    return _read(text, whole_number, lambda number: 1 <= number < _MAX_WHOLE, "a whole number, at least 1")


def number(text: str) -> float:
    """Read a finite number."""
    return _read(text, decimal_number, math.isfinite, "a finite number such as 12 or 0.5")


def share(text: str) -> float:
    """Read a share above 0 and at most 1."""
    return _read(text, decimal_number, lambda found: 0 < found <= 1, "a share above 0 and at most 1, such as 0.1")


def day(text: str) -> date:
    """Read a calendar day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be a date such as 2023-01-31") from None


def _read(text: str, read: Callable[[str], N], fits: Callable[[N], bool], demand: str) -> N:
    try:
        found = read(text)
    except ValueError:
        found = None
    if found is None or not fits(found):
        raise argparse.ArgumentTypeError(f"{text!r} must be {demand}")
    return found
