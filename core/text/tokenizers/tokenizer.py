"""What every tokenizer has: an end, the 256 bytes, and then tokens of its own, so that nothing lacks a spelling."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from core.errors import UsageError

END = 0
"""The token that ends a document, and the one before its first."""
N_FIXED = 257
"""The end and the bytes: the tokens from this number on are a tokenizer's own."""
MAX_TOKENS = 100_000
_PIECE = re.compile(r" ?[^\W\d]+|.", re.DOTALL)
_MAX_KNOWN = 65_536
_LONGEST_KNOWN = 64
"""Characters of a piece that is kept with its spelling; a longer one hardly comes again."""


class TokenizerError(UsageError):
    """A tokenizer cannot be trained or read."""


def pieces_of(text: str) -> Iterator[str]:
    """Cut a text into words, each with the space before it, and single characters: a number is cut into its digits.

    >>> list(pieces_of("sell 55 lots at GAS_TTF."))
    ['sell', ' ', '5', '5', ' lots', ' at', ' GAS_TTF', '.']
    """
    return (match[0] for match in _PIECE.finditer(text))


def bytes_of(text: str) -> bytes:
    """Return the UTF-8 of a text; halves of characters, which no file can hold, keep a spelling of their own."""
    return text.encode("utf-8", "surrogatepass")


class Tokenizer(ABC):
    """A vocabulary, and the way to spell a text with it."""

    kind: str

    def __init__(self, own: Iterable[bytes]) -> None:
        """Take the tokens after the end and the bytes."""
        self.tokens: tuple[bytes, ...] = (b"", *(bytes([each]) for each in range(256)), *own)
        self._known: dict[str, tuple[int, ...]] = {}

    @property
    def n_tokens(self) -> int:
        """The size of the vocabulary."""
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Spell a text; the end is not added."""
        found: list[int] = []
        for piece in self._pieces(text):
            spelled = self._known.get(piece)
            if spelled is None:
                spelled = self._spell(piece)
                if len(piece) <= _LONGEST_KNOWN and len(self._known) < _MAX_KNOWN:
                    self._known[piece] = spelled
            found += spelled
        return found

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of some tokens; bytes that are no text become replacement characters."""
        content = b"".join(self.tokens[token] for token in tokens)
        try:
            return content.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return content.decode("utf-8", "replace")

    def _pieces(self, text: str) -> Iterator[str]:
        """Cut a text into pieces, which are spelled apart."""
        return pieces_of(text)

    @abstractmethod
    def _spell(self, piece: str) -> tuple[int, ...]:
        """Spell a piece."""


def spelled_in_bytes(piece: str) -> tuple[int, ...]:
    """Spell a piece in the tokens of its bytes."""
    return tuple(1 + each for each in bytes_of(piece))
