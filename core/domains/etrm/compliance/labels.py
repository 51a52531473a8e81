"""A column of words: each distinct word once, and its number in each row."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray

SMALL = np.iinfo(np.int16).max


@dataclass(frozen=True, slots=True)
class WordColumn:
    """A column of words.

    Attributes:
        codes: The position of each row's word among the words; -1 where the cell is empty. Shape (n,).
        words: The words; no word stands twice.
    """

    codes: AnyArray
    words: tuple[str, ...]

    @classmethod
    def of(cls, column: "pd.Series[Any]") -> "WordColumn":
        """Read a column of a frame; missing values and blank texts are empty."""
        codes, found = pd.factorize(column)
        texts = [str(word).strip() for word in found]
        words = tuple(dict.fromkeys(text for text in texts if text))
        place = {word: position for position, word in enumerate(words)}
        # The last entry is for -1, which factorize gives to missing values.
        renumbered = np.array([*(place.get(text, -1) for text in texts), -1], dtype=np.int64)
        return cls(narrow(renumbered[codes], len(words)), words)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def filled(self) -> BoolArray:
        """Which rows have a word."""
        return np.asarray(self.codes >= 0)

    def among(self, words: Iterable[str]) -> BoolArray:
        """Return which rows have one of these words; upper and lower case, blanks and underscores count alike."""
        wanted = {plain(word) for word in words}
        return self.spread(np.array([plain(word) in wanted for word in self.words], dtype=np.bool_), False)

    def spread(self, values: AnyArray, empty: Any) -> AnyArray:
        """Return the value of each row's word; `empty` where the cell is empty."""
        return np.append(values, np.array([empty], dtype=values.dtype))[self.codes]

    def word(self, row: int) -> str:
        """Return the word of a row, "" for an empty cell."""
        code = int(self.codes[row])
        return self.words[code] if code >= 0 else ""


def narrow(codes: AnyArray, n_words: int) -> AnyArray:
    """Store codes in as few bytes as they need."""
    return codes.astype(np.int16 if n_words <= SMALL else np.int32)


def plain(word: str) -> str:
    """Return a word as the rules compare it.

    >>> plain(" des nwe"), plain("DES_NWE"), plain("Exchange")
    ('DES_NWE', 'DES_NWE', 'EXCHANGE')
    """
    return word.strip().upper().replace(" ", "_").replace("-", "_")
