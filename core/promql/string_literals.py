"""The string literals of PromQL, as the lexer of Prometheus reads them.

In "…" and '…' a backslash begins an escape; `…` holds its text as it stands. `\\x` and octal escapes are bytes, and the
bytes of a string are UTF-8.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from core.promql.errors import PromqlError

_LITERAL_OR_COMMENT: Final = re.compile(r"#[^\n]*|[\"'`]")
_RUN: Final = {quote: re.compile(rf"[^{quote}\\\n]*") for quote in "\"'"}
_SINGLE: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_CODES: Final = {"x": (16, 2), "u": (16, 4), "U": (16, 8)}
_UNREADABLE: Final = "\N{REPLACEMENT CHARACTER}"
"""As such a text reads what is no UTF-8, so the lexer refuses it."""


class StringLiteral(NamedTuple):
    """One string, or a comment."""

    start: int
    end: int
    text: str
    is_comment: bool = False


def literals(text: str) -> Iterator[StringLiteral]:
    """Yield the strings and the comments of an expression, in their order.

    Raises:
        PromqlError: A string is not closed, or has an escape that is none; the offset says where.

    >>> [literal.text for literal in literals(r'x{a="\\x41\\n", b=`\\d`} # "')]
    ['A\\n', '\\\\d', '# "']
    """
    at = 0
    while (found := _LITERAL_OR_COMMENT.search(text, at)) is not None:
        start = found.start()
        if found.group()[0] == "#":
            literal = StringLiteral(start, found.end(), found.group(), is_comment=True)
        else:
            literal = read_literal(text, start)
        yield literal
        at = literal.end


def read_literal(text: str, start: int) -> StringLiteral:
    """Read the string that begins at a quote.

    Raises:
        PromqlError: As of `literals`.
    """
    return _raw(text, start) if text[start] == "`" else _quoted(text, start)


def _raw(text: str, start: int) -> StringLiteral:
    end = text.find("`", start + 1)
    if end < 0:
        raise PromqlError("A string is not closed: ` is missing.", start)
    return StringLiteral(start, end + 1, _readable(text[start + 1 : end], start))


def _quoted(text: str, start: int) -> StringLiteral:
    quote, at = text[start], start + 1
    parts = bytearray()
    while True:
        run = _RUN[quote].match(text, at)
        assert run is not None
        parts += _readable(run.group(), start).encode("utf-8", "surrogatepass")
        at = run.end()
        if text[at : at + 1] == quote:
            break
        if text[at : at + 1] != "\\" or text[at + 1 : at + 2] in ("", "\n"):  # the end of the line or of the text
            raise PromqlError(f"A string is not closed: {quote} is missing.", start)
        byte_or_character, at = _escape(text, at, quote)
        parts += byte_or_character
    try:
        return StringLiteral(start, at + 1, parts.decode())
    except UnicodeDecodeError:
        raise PromqlError("The bytes of this string are no UTF-8: it matches no label.", start) from None


def _escape(text: str, at: int, quote: str) -> tuple[bytes, int]:
    """Return what an escape stands for, and where it ends."""
    code = text[at + 1 : at + 2]
    if code in _SINGLE or code == quote:
        return _SINGLE.get(code, code).encode(), at + 2
    if code and code in "01234567":
        digits, base = text[at + 1 : at + 4], 8
    elif code in _CODES:
        base, length = _CODES[code]
        digits = text[at + 2 : at + 2 + length]
        if len(digits) < length:
            digits = "?"
    else:
        raise PromqlError(f"\\{code} is no escape: write \\\\{code} for a backslash, or use `…`.", at)
    if not all(digit in "0123456789abcdefABCDEF"[: 22 if base == 16 else 8] for digit in digits) or (
        base == 8 and len(digits) < 3
    ):
        raise PromqlError(f"The escape \\{code} needs more digits.", at)
    number, end = int(digits, base), at + 1 + len(digits) + (base == 16)
    if base == 8 or code == "x":
        if number > 255:
            raise PromqlError(f"The escape \\{digits} is more than a byte.", at)
        return bytes([number]), end
    if number > 0x10FFFF or 0xD800 <= number < 0xE000:
        raise PromqlError(f"The escape \\{code}{digits} is no character.", at)
    return chr(number).encode(), end


def _readable(part: str, start: int) -> str:
    if _UNREADABLE in part:
        raise PromqlError("The string holds a character that stands for what is no UTF-8.", start)
    return part


def with_plain_strings(text: str) -> str:
    """Return an expression whose strings with a backslash are written in the one way that every parser reads alike.

    Raises:
        PromqlError: As of `literals`.
    """
    parts, at = [], 0
    for literal in literals(text):
        if literal.is_comment or "\\" not in text[literal.start : literal.end]:
            continue
        parts += [text[at : literal.start], _written(literal.text)]
        at = literal.end
    return "".join(parts) + text[at:]


def _written(text: str) -> str:
    for plain, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\0", "\\x00")):
        text = text.replace(plain, escape)
    return f'"{text}"'


def without_strings(text: str) -> str:
    """Blank strings and comments; every other character stays at its place.

    Raises:
        PromqlError: As of `literals`.
    """
    parts, at = [], 0
    for literal in literals(text):
        parts += [text[at : literal.start], " " * (literal.end - literal.start)]
        at = literal.end
    return "".join(parts) + text[at:]
