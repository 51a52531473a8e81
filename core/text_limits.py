"""How long the words of people may be: reasons and tags are kept for good, and every listing repeats them."""

from collections.abc import Mapping

from core.errors import UsageError

MAX_REASON = 500
MAX_COMPOSED = 4_000
"""A reason with one against a verdict, and what the program says beside them; each part has its own limit."""
MAX_TEXT = 10_000
MAX_TAG_NAME = 250


def require_reason(reason: str, most: int = MAX_REASON) -> None:
    """Refuse a reason that is too long for the audit log.

    Args:
        reason: The reason.
        most: The maximum number of characters.
    Raises:
        UsageError: It has more.
    """
    _require("The reason", reason, most)


def require_tags(tags: Mapping[str, str]) -> None:
    """Refuse tags that are too long.

    Raises:
        UsageError: A name has more characters than `MAX_TAG_NAME`, or a value more than `MAX_TEXT`.
    """
    for name, text in tags.items():
        _require("The name of a tag", name, MAX_TAG_NAME)
        _require(f"The tag {name}", text, MAX_TEXT)


def require_text(what: str, text: str) -> None:
    """Refuse any other text that is too long.

    Raises:
        UsageError: It has more characters than `MAX_TEXT`.
    """
    _require(what, text, MAX_TEXT)


def cut(text: str, most: int = MAX_REASON) -> str:
    """Shorten what a program says, such as the text of an error, to what a record may hold.

    >>> cut("abcdef", 4), cut("abcd", 4)
    ('abc…', 'abcd')
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _require(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise UsageError(f"{what} has {len(text):,} characters; it must have at most {most:,}.")
