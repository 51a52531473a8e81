"""A tokenizer of whole words; a word that it does not know is spelled in bytes."""

from collections import Counter
from collections.abc import Iterable, Sequence

from core.text.tokenizers.tokenizer import N_FIXED, Tokenizer, bytes_of, pieces_of, spelled_in_bytes


class WordTokenizer(Tokenizer):
    """The words of a corpus.

    >>> words = WordTokenizer.trained(["sell 5 lots", "sell 7 lots"], vocab_size=300)
    >>> words.encode("sell 7"), words.decode(words.encode("sell 7 Äpfel"))
    ([258, 33, 56], 'sell 7 Äpfel')
    """

    kind = "word"

    def __init__(self, words: Sequence[str]) -> None:
        """Take the words, the most frequent first."""
        super().__init__(bytes_of(word) for word in words)
        self.words = tuple(words)
        self._places = {word: N_FIXED + place for place, word in enumerate(words)}

    @classmethod
    def trained(cls, documents: Iterable[str], vocab_size: int) -> "WordTokenizer":
        """Learn the most frequent words of some documents, as many as the vocabulary has room for."""
        counts = Counter(piece for document in documents for piece in pieces_of(document))
        words = [word for word in counts if len(bytes_of(word)) > 1 and word.isprintable()]
        words.sort(key=lambda word: (-counts[word], word))
        return cls(words[: max(vocab_size - N_FIXED, 0)])

    def _spell(self, piece: str) -> tuple[int, ...]:
        place = self._places.get(piece)
        return spelled_in_bytes(piece) if place is None else (place,)
