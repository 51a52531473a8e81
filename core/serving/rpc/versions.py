"""The numbers of TensorFlow Serving, whose versions are whole numbers, for versions such as 1.2.0.

Six digits for each part: 1.2.3 is 1000002000003. Each number stands for one version, and newer versions have larger
numbers. A version with a part of seven digits or more has no number, and is chosen by its label.
"""

_BASE = 1_000_000
_MOST = 2**63 - 1


def number_of(version: str) -> int | None:
    """Return the number of a version; None if it has none.

    >>> number_of("1.2.3"), number_of("1.0.1000000")
    (1000002000003, None)
    """
    parts = version.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) <= 9 for part in parts):
        return None
    major, minor, patch = map(int, parts)
    number = (major * _BASE + minor) * _BASE + patch
    return number if minor < _BASE and patch < _BASE and number <= _MOST else None


def version_of(number: int) -> str:
    """Return the version of a number; for a number of no version, the number itself.

    >>> version_of(1000002000003), version_of(-7)
    ('1.2.3', '-7')
    """
    if number < 0:
        return str(number)
    rest, patch = divmod(number, _BASE)
    major, minor = divmod(rest, _BASE)
    return f"{major}.{minor}.{patch}"
