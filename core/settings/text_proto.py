"""The text format of protocol buffers, as far as settings need it: untrusted text to fields, each with its place.

Source: https://protobuf.dev/reference/protobuf/textformat-spec. Extensions and `Any` are refused: no settings have
them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from core.escape import is_shown_as_is, shown
from core.settings.errors import SettingsError

MOST_DEPTH = 20

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n\f\v]+|\#[^\n]*)
    |(?P<text>"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*')
    |(?P<number>-?[0-9][0-9A-Za-z_.+-]*)
    |(?P<word>-?[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark>[][{}<>:,;])
    |(?P<other>[\s\S])""",
    flags=re.VERBOSE | re.ASCII,
)
_NUMBER = re.compile(
    r"(?P<hex>0[xX][0-9A-Fa-f]+)|(?P<octal>0[0-7]+)|(?P<whole>0|[1-9][0-9]*)"
    r"|(?P<real>(?:[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]{1,3})?|[0-9]+[eE][+-]?[0-9]{1,3})[fF]?)",
    flags=re.ASCII,
)
_MOST_DIGITS = 40
_ESCAPE = re.compile(
    r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([\s\S]))", flags=re.ASCII
)
_SHORT = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34, "?": 63}
_END = {"{": "}", "<": ">"}


class ProtoWord(str):
    """A name without quotes: a value of an enumeration, or true and false."""

    __slots__ = ()


ProtoMessage: TypeAlias = "list[ProtoField]"
ProtoValue: TypeAlias = "ProtoMessage | str | int | float"


class ProtoField(NamedTuple):
    """One field, and where its name stands, from 1; without a file it has no place."""

    name: str
    value: "ProtoValue"
    line: int | None = None
    column: int | None = None


class _Token(NamedTuple):
    kind: str
    text: str
    line: int
    column: int


def parse_text_proto(file: Path, text: str) -> "ProtoMessage":
    """Parse a text.

    Args:
        file: Its file, for errors.
        text: The text.
    Raises:
        SettingsError: It has another form; the message names line and column.
    """
    return _Parser(file, text).message("", 0)


class _Parser:
    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        self._tokens = _tokens(text)  # one at a time: what follows the first error is never looked at
        self._next = next(self._tokens)

    def message(self, end: str, depth: int) -> "ProtoMessage":
        """Read fields up to the mark that ends them, which is read, too."""
        if depth > MOST_DEPTH:
            raise self._error(self._next, f"nested deeper than {MOST_DEPTH} levels")
        fields: ProtoMessage = []
        while not self._takes(end):
            name = self._next
            if name.kind != "word" or name.text.startswith("-"):
                expected = f"the name of a field or {end}" if end else "the name of a field"
                raise self._error(name, f"expected {expected}, found {_named(name)}")
            self._step()
            has_colon = self._takes(":")
            opens = self._next.text if self._next.kind == "mark" else ""
            if not has_colon and opens not in _END:
                raise self._error(self._next, f"expected : or {{ after {name.text}, found {_named(self._next)}")
            for value in self._list(depth) if self._takes("[") else [self._value(depth)]:
                fields.append(ProtoField(name.text, value, name.line, name.column))
            if not self._takes(","):
                self._takes(";")
        return fields

    def _list(self, depth: int) -> "Iterator[ProtoValue]":
        if self._takes("]"):
            return
        yield self._value(depth)
        while not self._takes("]"):
            if not self._takes(","):
                raise self._error(self._next, f"expected , or ], found {_named(self._next)}")
            yield self._value(depth)

    def _value(self, depth: int) -> "ProtoValue":
        token = self._next
        self._step()
        if token.kind == "mark" and token.text in _END:
            return self.message(_END[token.text], depth + 1)
        if token.kind == "number":
            return self._number(token)
        if token.kind == "word":
            return ProtoWord(token.text)
        if token.kind != "text":
            raise self._error(token, f"expected a value, found {_named(token)}")
        parts = [token]
        while self._next.kind == "text":  # texts beside each other are one
            parts.append(self._next)
            self._step()
        return self._text(parts)

    def _number(self, token: _Token) -> int | float:
        text = token.text.removeprefix("-")
        found = _NUMBER.fullmatch(text) if len(text) <= _MOST_DIGITS else None
        if found is None:
            raise self._error(token, f"{shown(token.text)} is not a number")
        base = {"hex": 16, "octal": 8, "whole": 10}.get(found.lastgroup or "")
        number = float(text.rstrip("fF")) if base is None else int(text, base)
        return -number if token.text.startswith("-") else number

    def _text(self, parts: list[_Token]) -> str:
        try:
            found = b"".join(_unescaped(part.text[1:-1]) for part in parts).decode()
        except ValueError:
            raise self._error(parts[0], f"{shown(parts[0].text)} is not a text: an escape is wrong") from None
        if not is_shown_as_is(found):
            raise self._error(parts[0], f"{shown(found)} holds characters that no terminal shows; leave them out")
        return found

    def _step(self) -> None:
        self._next = next(self._tokens, self._next)  # the last one, the end of the text, stays

    def _takes(self, mark: str) -> bool:
        """Whether the next token is this mark, which is read then; an empty mark is the end of the text."""
        if self._next.kind != ("mark" if mark else "end") or self._next.text != mark:
            return False
        if mark:
            self._step()
        return True

    def _error(self, token: _Token, problem: str) -> SettingsError:
        return SettingsError(self._file, problem, line=token.line, column=token.column)


def _tokens(text: str) -> Iterator[_Token]:
    line, start = 1, 0
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        if kind != "blank":
            yield _Token(kind, found[0], line, found.start() - start + 1)
        if n := found[0].count("\n"):
            line += n
            start = found.start() + found[0].rindex("\n") + 1
    yield _Token("end", "", line, len(text) - start + 1)


def _named(token: _Token) -> str:
    if token.kind == "other" and token.text in "\"'":
        return "a text that does not end on its line"
    return shown(token.text) if token.kind != "end" else "the end of the file"


def _unescaped(text: str) -> bytes:
    """Return the bytes that a text between quotes stands for.

    Raises:
        ValueError: An escape stands for none.
    """
    out, at = [], 0
    for found in _ESCAPE.finditer(text):
        out.append(text[at : found.start()].encode())
        out.append(_escape(found))
        at = found.end()
    return b"".join([*out, text[at:].encode()])


def _escape(found: re.Match[str]) -> bytes:
    by_hex, octal, short_code, long_code, short = found.groups()
    if code := short_code or long_code:
        return chr(int(code, 16)).encode()
    number = int(by_hex, 16) if by_hex else int(octal, 8) if octal else _SHORT.get(short, -1)
    return bytes([number])
