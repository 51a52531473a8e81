"""Whole numbers for versions such as 1.2.0, since those of TensorFlow Serving are whole numbers on the wire.

Six digits for each part: 1.2.3 is 1000002000003. Each number stands for one version, and newer versions have larger
numbers. A version with a part of seven digits or more has no number, and is chosen by its label.
"""

from core.typed_numbers import whole_number

_BASE = 1_000_000
_MOST = 2**63 - 1


def number_of(version: str) -> int | None:
    """Return the number of a version, which may be one already; None if it has none.

    >>> number_of("1.2.3"), number_of("7"), number_of("1.0.1000000"), number_of("1.0")
    (1000002000003, 7, None, None)
    """
    try:
        numbers = [whole_number(part) for part in version.split(".")]
    except ValueError:
        return None
    if not all(0 <= number <= _MOST for number in numbers):
        return None
    if len(numbers) == 1:
        return numbers[0]
    if len(numbers) != 3 or max(numbers) >= _BASE:
        return None
    return (numbers[0] * _BASE + numbers[1]) * _BASE + numbers[2]


def version_of(number: int) -> str:
    """Return the version of a number; for a number of no version, the number itself.

    >>> version_of(1000002000003), version_of(-7), version_of(2**63 - 1)
    ('1.2.3', '-7', '9223372036854775807')
    """
    if not 0 <= number < _BASE**3:
        return str(number)
    rest, patch = divmod(number, _BASE)
    major, minor = divmod(rest, _BASE)
    return f"{major}.{minor}.{patch}"
