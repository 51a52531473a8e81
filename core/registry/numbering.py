"""Names of models and numbers of versions: what is valid, and which number comes next.

Both become folder names below `artifacts/`, so the rules also keep paths inside that folder.
"""

import functools
import re
from typing import Literal, NamedTuple

from core.registry.errors import InvalidNameError

NumberPart = Literal["major", "minor", "patch"]

_MODEL = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")

MODEL_RULE = "1 to 64 characters: lowercase letters, digits, '-' and '_', starting with a letter"


class SemanticVersion(NamedTuple):
    """A version number that sorts numerically: 1.10.0 comes after 1.9.0."""

    major: int
    minor: int
    patch: int

    @classmethod
    @functools.lru_cache(maxsize=4096)  # models share most of their numbers
    def parse(cls, text: str) -> "SemanticVersion":
        """Read `major.minor.patch`.

        Raises:
            InvalidNameError: The text is anything else.

        >>> SemanticVersion.parse("1.10.0") > SemanticVersion.parse("1.9.0")
        True
        """
        if (match := _NUMBER.fullmatch(text)) is None:
            raise InvalidNameError("version", text, "three numbers separated by dots, such as 1.4.0")
        return cls(*map(int, match.groups()))

    def bump(self, part: NumberPart) -> "SemanticVersion":
        """Return the next version: raise one part and set those after it to 0.

        >>> str(SemanticVersion(1, 4, 2).bump("minor"))
        '1.5.0'
        """
        if part == "major":
            return SemanticVersion(self.major + 1, 0, 0)
        if part == "minor":
            return SemanticVersion(self.major, self.minor + 1, 0)
        return SemanticVersion(self.major, self.minor, self.patch + 1)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


FIRST_VERSION = SemanticVersion(1, 0, 0)


def checked_model_name(name: str) -> str:
    """Return the name of a model unchanged.

    Raises:
        InvalidNameError: It is not a valid model name.

    >>> checked_model_name("liquidity_shock")
    'liquidity_shock'
    """
    if _MODEL.fullmatch(name) is None:
        raise InvalidNameError("model name", name, MODEL_RULE)
    return name


def version_key(model: str, version: str) -> str:
    """Return the key of a version's document, which is also its folder below `artifacts/`."""
    return f"{checked_model_name(model)}/{SemanticVersion.parse(version)}"
