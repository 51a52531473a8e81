"""A tokenizer of byte pairs: the most frequent neighbours become one token, again and again; digits stay apart.

Source:
    Sennrich, Haddow and Birch, Neural Machine Translation of Rare Words with Subword Units, ACL 2016; on bytes as in
    Radford et al., Language Models are Unsupervised Multitask Learners, 2019.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

from core.text.tokenizers.tokenizer import N_FIXED, Tokenizer, pieces_of, spelled_in_bytes

Pair = tuple[int, int]
_LEAST_COUNT = 2


class BytePairTokenizer(Tokenizer):
    """The merges of a corpus, in the order in which they were learned.

    >>> pairs = BytePairTokenizer.trained(["lots of lots of", "lot 12"], vocab_size=261)
    >>> pairs.tokens[257:], pairs.decode(pairs.encode("a lot of lots: 12"))
    ((b'lo', b'lot', b' o', b'lots'), 'a lot of lots: 12')
    """

    kind = "bpe"

    def __init__(self, merges: Sequence[Pair]) -> None:
        """Take the merges: of the tokens before each."""
        tokens = [b"", *(bytes([each]) for each in range(256))]
        for left, right in merges:
            tokens.append(tokens[left] + tokens[right])
        super().__init__(tokens[N_FIXED:])
        self.merges = tuple(merges)
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}

    @classmethod
    def trained(cls, documents: Iterable[str], vocab_size: int) -> "BytePairTokenizer":
        """Learn merges until the vocabulary is full, or no pair occurs twice."""
        counts = Counter(piece for document in documents for piece in pieces_of(document))
        return cls(_Merging(counts).learned(vocab_size - N_FIXED))

    def _spell(self, piece: str) -> tuple[int, ...]:
        """Merge the pair of the lowest rank, the leftmost of several, until none is left: O(n log n) in the bytes."""
        spelled = list(spelled_in_bytes(piece))
        after = [*range(1, len(spelled)), -1]  # the places of the tokens before and after; -1: none
        before = [*range(-1, len(spelled) - 1)]
        due = [(rank, at) for at, pair in enumerate(pairwise(spelled)) if (rank := self._ranks.get(pair)) is not None]
        heapify(due)
        while due:
            rank, at = heappop(due)
            following = after[at]
            if spelled[at] < 0 or following < 0 or self._ranks.get((spelled[at], spelled[following])) != rank:
                continue  # one of the two was merged meanwhile
            spelled[at], spelled[following] = N_FIXED + rank, -1
            after[at] = after[following]
            if after[at] >= 0:
                before[after[at]] = at
            for left in (before[at], at):
                if left >= 0 and (right := after[left]) >= 0:
                    new = self._ranks.get((spelled[left], spelled[right]))
                    if new is not None:
                        heappush(due, (new, left))
        return tuple(token for token in spelled if token >= 0)


class _Merging:
    """The pieces of a corpus while their pairs are merged; each merge touches only the pieces that hold its pair."""

    def __init__(self, counts: Counter[str]) -> None:
        self._words = [(list(spelled_in_bytes(piece)), number) for piece, number in sorted(counts.items())]
        self._pairs: Counter[Pair] = Counter()
        self._homes: defaultdict[Pair, set[int]] = defaultdict(set)
        for home in range(len(self._words)):
            self._count(home, 1)
        self._heap = [(-number, pair) for pair, number in self._pairs.items()]
        heapq.heapify(self._heap)

    def learned(self, n_most: int) -> list[Pair]:
        """Merge the most frequent pair, of equals the one of the lowest tokens, until there are enough merges."""
        merges: list[Pair] = []
        while self._heap and len(merges) < n_most:
            number, pair = heapq.heappop(self._heap)
            if -number != self._pairs[pair]:
                continue  # an entry from before another merge changed the count; the true one is in the heap, too
            if -number < _LEAST_COUNT:
                break
            self._merge(pair, N_FIXED + len(merges))
            merges.append(pair)
        return merges

    def _merge(self, pair: Pair, token: int) -> None:
        touched: set[Pair] = set()
        for home in sorted(self._homes.pop(pair)):
            touched |= self._count(home, -1)
            word = self._words[home][0]
            at = 0
            while at < len(word) - 1:
                if (word[at], word[at + 1]) == pair:
                    word[at : at + 2] = [token]
                at += 1
            touched |= self._count(home, 1)
        for each in touched:
            if self._pairs[each] > 0:
                heapq.heappush(self._heap, (-self._pairs[each], each))

    def _count(self, home: int, sign: int) -> set[Pair]:
        word, number = self._words[home]
        pairs = set()
        for pair in pairwise(word):
            self._pairs[pair] += sign * number
            if sign > 0:
                self._homes[pair].add(home)
            pairs.add(pair)
        return pairs
