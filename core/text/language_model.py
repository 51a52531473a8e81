"""What every model of language can do: weigh documents, and go on with one."""

from collections.abc import Sequence
from typing import Protocol

from core.arrays import FloatArray

TokenizedDocuments = Sequence[Sequence[int]]
"""TokenizedDocuments in tokens, without their ends."""


class Continuation(Protocol):
    """A document that is being written."""

    def take(self, tokens: Sequence[int]) -> None:
        """Append tokens."""

    def next_log_probabilities(self) -> FloatArray:
        """Return the log of the probability of each token as the next, shape (n_tokens,); the end is token 0."""


class LanguageModel(Protocol):
    """A probability over documents in tokens."""

    @property
    def name(self) -> str:
        """What it is, in a word."""

    @property
    def n_tokens(self) -> int:
        """The size of its vocabulary."""

    def document_nats(self, documents: TokenizedDocuments) -> FloatArray:
        """Return -log P of each document, its end included, shape (n_documents,)."""

    def begin(self) -> Continuation:
        """Begin a document."""


def n_predicted(documents: TokenizedDocuments) -> int:
    """Return how many tokens are predicted in some documents: each has an end, too."""
    return sum(len(document) + 1 for document in documents)
