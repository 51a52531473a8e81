"""Columns and fields that settings name: by name, or by a pattern such as `customer_*`."""

from collections.abc import Iterable
from fnmatch import fnmatchcase


def is_named(name: str, patterns: Iterable[str]) -> bool:
    """Say whether a name is one of some names, or fits a pattern; a name may look like a pattern itself.

    >>> [is_named(name, ["tax_*", "spread [bp]"]) for name in ("tax_id", "spread [bp]", "spread b", "size")]
    [True, True, True, False]
    """
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)
