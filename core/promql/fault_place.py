"""Where an expression goes wrong, when its parser says only that it does."""

import re
from bisect import bisect_left
from typing import Final

import promql_parser

from core.promql.errors import is_panic
from core.promql.string_literals import with_plain_strings, without_strings

UNPLACED: Final = "invalid promql query"
"""What the parser says of a word that its grammar does not expect, or of an end that comes too early."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9_:.]+|[=!]~|[<>=!]=|\S")
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_TAILS: Final = ("", " x", " (x)", " (x) x", " (x) (x)", ' "x"', " 5m")
"""What may complete a beginning before its brackets are closed, after the innermost one, or after all."""


def place_of_fault(text: str) -> tuple[int, str]:
    """Find the first word with which no expression can begin that way.

    Args:
        text: An expression of which the parser says `UNPLACED`.
    Returns:
        Its place, in characters from 0, and what is wrong there.
    """
    tokens = list(_TOKEN.finditer(without_strings(text)))
    first = bisect_left(tokens, True, key=lambda token: not _is_beginning(text[: token.end()]))
    if first == len(tokens):
        return len(text), "The expression ends where another part of it is expected."
    return tokens[first].start(), f"{tokens[first].group()} is not expected here."


def _is_beginning(text: str) -> bool:
    """Whether an expression can begin with a text; what is wrong with it otherwise is placed by the parser."""
    open_brackets: list[str] = []
    for character in without_strings(text):
        if character in _CLOSING:
            open_brackets.append(_CLOSING[character])
        elif open_brackets and character == open_brackets[-1]:
            open_brackets.pop()
    closed = "".join(reversed(open_brackets))
    cuts = {0, min(1, len(closed)), len(closed)}
    ends = (f"{closed[:cut]}{tail}{closed[cut:]}" for cut in sorted(cuts) for tail in _TAILS)
    return any(_is_placed(text + end) for end in ends)


def _is_placed(text: str) -> bool:
    try:
        promql_parser.parse(with_plain_strings(text))
    except (ValueError, OverflowError, TypeError) as error:
        return str(error) != UNPLACED
    except BaseException as error:
        if not is_panic(error):
            raise
    return True
