"""Counts the parts of a message on its raw bytes, before a parser makes an object of each.

Eight megabytes can hold four million empty messages, which take hundreds of megabytes as objects.

Source: https://protobuf.dev/programming-guides/encoding
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from core.serving.errors import CallerFaultError

MOST_FIELDS = 500_000  # of a message with all that are looked into: about a second of a worker
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_RUN = 4_096
_MORE = 0x80  # the bit of a byte that another follows


class CountedPart(NamedTuple):
    """A repeated field, or one that is looked into."""

    what: str = ""  # {n} stands for their number
    most: int = 0  # in one message that holds them; 0 for any number
    inside: "tuple[tuple[int, CountedPart], ...]" = ()  # what is counted in each of them


CountedParts = Mapping[int, CountedPart]
"""Number of a field -> what is counted."""


class _CutError(Exception):
    """The bytes are no message."""


def require_few(content: bytes, parts: CountedParts) -> None:
    """Make sure that a message holds no more of any part than is read.

    Args:
        content: The message. One that no parser takes is left to the parser.
        parts: The parts to count.
    Raises:
        CallerFaultError: It holds more.
    """
    count = _Count(content)
    with suppress(_CutError):
        count.walk(0, len(content), parts)
    for part, n in count.found.items():
        if part.most and n > part.most:
            raise CallerFaultError(f"The request has {part.what.format(n=f'{n:,}')}; at most {part.most:,} are read.")


class _Count:
    def __init__(self, content: bytes) -> None:
        self.found: dict[CountedPart, int] = {}  # the largest number in one message
        self._content = content
        self._n_fields = 0

    def walk(self, at: int, end: int, parts: CountedParts) -> None:
        """Count the fields between two offsets."""
        content, here = self._content, Counter[CountedPart]()
        while at < end:
            begin, tag = at, content[at]
            at += 1
            if tag >= _MORE:
                tag, at = self._number(begin, end)
            self._n_fields += 1
            if self._n_fields > MOST_FIELDS:
                raise CallerFaultError(f"The request has more than {MOST_FIELDS:,} fields.")
            number, kind = tag >> 3, tag & 7
            if kind == _VARINT:
                _, at = self._number(at, end)
            elif kind in (_FIXED32, _FIXED64):
                at += 4 if kind == _FIXED32 else 8
            elif kind == _BYTES:
                if at < end and content[at] < _MORE:
                    size, at = content[at], at + 1
                else:
                    size, at = self._number(at, end)
                if at + size > end:
                    raise _CutError
                part = parts.get(number)
                n = 1
                if not size:  # a flood of empty ones is counted in long steps
                    run = content[begin:at] * _RUN
                    while at + len(run) <= end and content.startswith(run, at):
                        at, n = at + len(run), n + _RUN
                if part is not None:
                    here[part] += n
                    self.found[part] = max(self.found.get(part, 0), here[part])
                    if part.inside:
                        self.walk(at, at + size, dict(part.inside))
                at += size
            else:  # a group, which hides what is in it from this count
                raise CallerFaultError("The request holds a group, which no message of this method has.")

    def _number(self, at: int, end: int) -> tuple[int, int]:
        """Read a number of variable length, and where it ends."""
        number = shift = 0
        while at < end:
            byte = self._content[at]
            at += 1
            number |= (byte & ~_MORE) << shift
            if byte < _MORE:
                return number, at
            shift += 7
            if shift > 63:
                break
        raise _CutError
