"""The numbers in arguments (argparse types). A refusal names the text and the range."""

import argparse
import math

from core.typed_numbers import decimal_number, whole_number

_MAX_WHOLE = 10**18  # below 2⁶³, so every store and every library holds it


def whole(text: str) -> int:
    """Read a whole number of at most 18 digits."""
    try:
        number = whole_number(text)
    except ValueError:
        number = _MAX_WHOLE
    if abs(number) >= _MAX_WHOLE:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at most 18 digits, such as 12")
    return number


def count(text: str) -> int:
    """Read a whole number of 1 or more."""
    try:
        number = whole_number(text)
    except ValueError:
        number = 0
    if not 1 <= number < _MAX_WHOLE:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, at least 1")
    return number


def number(text: str) -> float:
    """Read a finite number."""
    try:
        found = decimal_number(text)
    except ValueError:
        found = math.inf
    if math.isinf(found):
        raise argparse.ArgumentTypeError(f"{text!r} must be a finite number such as 12 or 0.5")
    return found


def share(text: str) -> float:
    """Read a share above 0 and at most 1."""
    try:
        found = decimal_number(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a share above 0 and at most 1, such as 0.1")
    return found
