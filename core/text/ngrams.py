"""Models of n-grams by Witten and Bell: what was seen counts, and the shorter context has the rest.

P(w | h) = (c(h w) + T(h) P(w | h')) / (c(h) + T(h)), where T(h) is the number of different tokens seen after h, and h'
is h without its oldest token; the shortest context is none, before which every token has the same probability. It needs
no optional package, so it is the model of language where torch is not installed.

Source:
    Witten and Bell, The Zero-Frequency Problem, IEEE Transactions on Information Theory 37(4), 1991; interpolated as in
    Chen and Goodman, An Empirical Study of Smoothing Techniques for Language Modeling, 1999.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np

from core.arrays import AnyArray, FloatArray, IntArray
from core.errors import UsageError
from core.text.language_model import TokenizedDocuments
from core.text.tokenizers.tokenizer import END

MAX_ORDER = 8
_NAMES = ("uniform", "unigram", "bigram", "trigram")


class NgramFileError(UsageError):
    """A file holds no n-gram model."""


@dataclass(frozen=True, slots=True)
class _Level:
    """The n-grams of one length.

    Attributes:
        keys: Each n-gram as context * n_tokens + token, sorted; its place is its number as a context of the next level.
        counts: How often the token followed the context.
        totals: For each context, c(h), shape of the level below.
        types: For each context, T(h).
    """

    keys: IntArray
    counts: IntArray
    totals: IntArray
    types: IntArray


class NgramModel:
    """An interpolated model of n-grams; order 0 is uniform."""

    def __init__(self, order: int, n_tokens: int, levels: Sequence[_Level]) -> None:
        """Take the levels, of 1-grams first."""
        self._order, self._n_tokens, self._levels = order, n_tokens, tuple(levels)

    @property
    def name(self) -> str:
        """The field's word for its order."""
        return _NAMES[self._order] if self._order < len(_NAMES) else f"{self._order}-gram"

    @property
    def order(self) -> int:
        """The length of its longest n-grams."""
        return self._order

    @property
    def n_tokens(self) -> int:
        """The size of its vocabulary."""
        return self._n_tokens

    def shorter(self, order: int) -> "NgramModel":
        """Return the model of a lower order of the same documents."""
        return NgramModel(order, self._n_tokens, self._levels[:order])

    @classmethod
    def trained(cls, documents: TokenizedDocuments, n_tokens: int, order: int = 5) -> "NgramModel":
        """Count the n-grams of documents.

        Args:
            documents: In tokens.
            n_tokens: The size of the vocabulary.
            order: The length of the longest n-grams.
        """
        if not 0 <= order <= MAX_ORDER:
            raise UsageError(f"An n-gram model has an order from 0 to {MAX_ORDER}, not {order}.")
        text, predicted = _padded(documents, order)
        levels: list[_Level] = []
        nodes = np.zeros(len(text), dtype=np.int64)  # the number of the (k-1)-gram that ends before each token
        n_nodes = 1
        for _ in range(order):
            keys, found = np.unique(nodes * n_tokens + text, return_inverse=True)
            counts = np.bincount(found[predicted], minlength=len(keys)).astype(np.int64)
            contexts = keys // n_tokens
            totals = np.bincount(contexts, weights=counts, minlength=n_nodes).astype(np.int64)
            types = np.bincount(contexts, weights=counts > 0, minlength=n_nodes).astype(np.int64)
            levels.append(_Level(keys, counts, totals, types))
            nodes, n_nodes = (
                np.concatenate(([0], found[:-1])),
                len(keys),
            )  # nothing is predicted from the first place
        return cls(order, n_tokens, levels)

    def document_nats(self, documents: TokenizedDocuments) -> FloatArray:
        """Return -log P of each document, its end included."""
        text, predicted = _padded(documents, self._order)
        nats = -np.log(self._probabilities(text))[predicted]
        ends = np.cumsum([len(document) + 1 for document in documents])
        return np.diff(np.cumsum(nats)[ends - 1], prepend=0.0)

    def begin(self) -> "NgramContinuation":
        """Begin a document."""
        return NgramContinuation(self)

    def distribution(self, context: Sequence[int]) -> FloatArray:
        """Return the probability of each token after a context, of which the last order - 1 tokens count."""
        found = np.full(self._n_tokens, 1 / self._n_tokens)
        n = self._n_tokens
        for length, level in enumerate(self._levels):
            node = self._node(context[len(context) - length :] if length else ())
            if node < 0 or not level.totals[node]:
                break  # of an unseen context, every longer one is unseen, too
            first, last = np.searchsorted(level.keys, [node * n, (node + 1) * n])
            total, types = level.totals[node], level.types[node]
            found *= types / (total + types)
            found[level.keys[first:last] % n] += level.counts[first:last] / (total + types)
        return found

    def _node(self, context: Sequence[int]) -> int:
        """Return the number of a context in its level; -1 if it was never seen."""
        node = 0
        for level, token in zip(self._levels, context, strict=False):
            key = node * self._n_tokens + token
            node = int(np.searchsorted(level.keys, key))
            if node == len(level.keys) or level.keys[node] != key:
                return -1
        return node

    def _probabilities(self, text: IntArray) -> FloatArray:
        """Return the probability of each token after those before it."""
        found = np.full(len(text), 1 / self._n_tokens)
        nodes = np.zeros(len(text), dtype=np.int64)
        for level in self._levels:
            known = nodes >= 0
            keys = np.where(known, nodes * self._n_tokens + text, -1)
            places = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
            is_here = level.keys[places] == keys
            counts = np.where(is_here, level.counts[places], 0)
            totals, types = (np.where(known, of[np.maximum(nodes, 0)], 0) for of in (level.totals, level.types))
            seen = totals > 0
            found = np.where(seen, (counts + types * found) / np.maximum(totals + types, 1), found)
            nodes = _shifted(np.where(is_here, places, -1))
        return found

    def to_bytes(self) -> bytes:
        """Return the model as arrays of NumPy (npz)."""
        arrays: dict[str, AnyArray] = {"shape": np.array([self._order, self._n_tokens], dtype=np.int64)}
        for place, level in enumerate(self._levels):
            for name in _Level.__slots__:
                arrays[f"{name}_{place}"] = getattr(level, name)
        buffer = BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, where: object) -> "NgramModel":
        """Read what `to_bytes` returned; objects in it are refused, so nothing in it is ever executed.

        Raises:
            NgramFileError: It is no such model.
        """
        try:
            with np.load(BytesIO(content), allow_pickle=False) as arrays:
                order, n_tokens = (int(each) for each in arrays["shape"])
                levels = [_Level(*(arrays[f"{name}_{place}"] for name in _Level.__slots__)) for place in range(order)]
        except Exception as error:  # zipfile, zlib and NumPy raise their own
            raise NgramFileError(f"{where} holds no n-gram model: {error}.") from None
        _require_whole(order, n_tokens, levels, where)
        return cls(order, n_tokens, levels)


class NgramContinuation:
    """A document that an n-gram model is writing."""

    def __init__(self, model: NgramModel) -> None:
        """Begin it."""
        self._model = model
        self._context = [END] * max(model.order - 1, 0)

    def take(self, tokens: Sequence[int]) -> None:
        """Append tokens."""
        self._context = [*self._context, *tokens][len(tokens) :]

    def next_log_probabilities(self) -> FloatArray:
        """Return the log of the probability of each token as the next."""
        return np.log(self._model.distribution(self._context))


def _padded(documents: TokenizedDocuments, order: int) -> tuple[IntArray, Any]:
    """Return all documents in one row, ends around each, and which of these tokens are predicted."""
    pad = [END] * max(order - 1, 0)
    text = [token for document in documents for token in (*pad, *document, END)]
    predicted = np.ones(len(text), dtype=np.bool_)
    lengths = np.array([len(document) + 1 + len(pad) for document in documents], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    for place in range(len(pad)):
        predicted[starts + place] = False
    return np.array(text, dtype=np.int64), predicted


def _shifted(nodes: IntArray) -> IntArray:
    """Return for each place what stands at the place before it; before the first nothing was seen."""
    return np.concatenate(([-1], nodes[:-1])) if len(nodes) else nodes


def _require_whole(order: int, n_tokens: int, levels: Sequence[_Level], where: object) -> None:
    n_nodes = 1
    for level in levels:
        arrays = (level.keys, level.counts, level.totals, level.types)
        fits = (
            all(array.dtype == np.int64 and array.ndim == 1 for array in arrays)
            and len(level.keys) == len(level.counts) > 0
            and len(level.totals) == len(level.types) == n_nodes
            and bool(np.all(np.diff(level.keys) > 0))
            and level.keys[0] >= 0
            and level.keys[-1] < n_nodes * n_tokens
            and all(bool(np.all(array >= 0)) for array in arrays)
        )
        if not fits:
            raise NgramFileError(f"{where} holds no n-gram model: its arrays do not fit each other.")
        n_nodes = len(level.keys)
    if not (0 <= order <= MAX_ORDER and n_tokens > 0):
        raise NgramFileError(f"{where} holds no n-gram model: its order is {order}, its vocabulary {n_tokens}.")
