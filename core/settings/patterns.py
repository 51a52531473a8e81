"""Columns and fields that settings name: by name, or by a pattern such as `customer_*`.

Names that look the same are the same: both sides are brought to one form of Unicode, and characters that nobody sees,
such as a zero-width space, are left out. What matches as it is written matches, too, so a list never names less by it.
"""

import re
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

# Those of Unicode's Default_Ignorable_Code_Point that are no format characters (category Cf).
_IGNORABLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def is_named(name: str, patterns: Iterable[str]) -> bool:
    """Say whether a name is one of some names, or fits a pattern; a name may look like a pattern itself.

    >>> [is_named(name, ["tax_*", "spread [bp]"]) for name in ("tax_id", "spread [bp]", "spread b", "size")]
    [True, True, True, False]
    >>> [is_named(name, ["k\\u00e9y", "iban"]) for name in ("ke\\u0301y", "iban\\u200b", "\\ufeffiban", "IBAN")]
    [True, True, True, False]
    """
    return any(_fits(name, each) or _fits_as_it_looks(name, each) for each in patterns)


def is_listed(name: str, names: Iterable[str]) -> bool:
    """Say whether a name is one of some names as they look; none of these is a pattern."""
    return visible(name) in map(visible, names)


def visible(name: str) -> str:
    """Return a name as it looks: in Unicode's normal form C, without characters that nobody sees.

    >>> visible("ke\\u0301\\u200by") == "k\\u00e9y"
    True
    """
    return name if name.isascii() else _visible(name)


@lru_cache(maxsize=4096)
def _visible(name: str) -> str:
    seen = "".join(each for each in _IGNORABLE.sub("", name) if unicodedata.category(each) != "Cf")
    return unicodedata.normalize("NFC", seen)


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def _fits_as_it_looks(name: str, pattern: str) -> bool:
    return not (name.isascii() and pattern.isascii()) and _fits(visible(name), visible(pattern))
