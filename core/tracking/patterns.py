"""Patterns of `like` and `ilike`, as SQL and MLflow read them."""

import re

_PIECE = re.compile(r"%+|_|(?:\\.|[^%_\\])+", re.DOTALL)
_OF_WILDCARD = {"%": ".*", "_": "."}


def like_pattern(text: str, *, ignore_case: bool) -> re.Pattern[str]:
    """Read a pattern: `%` stands for any characters, `_` for one, and a backslash takes the next character as it is.

    >>> bool(like_pattern("run_%", ignore_case=True).fullmatch("RUN-7 of May"))
    True
    >>> bool(like_pattern(r"50\\%", ignore_case=False).fullmatch("500"))
    False
    """
    pieces = [_OF_WILDCARD.get(piece[0]) or re.escape(unescaped(piece)) for piece in _PIECE.findall(text)]
    return re.compile("".join(pieces), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def unescaped(text: str) -> str:
    """Take each character behind a backslash as it is."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
