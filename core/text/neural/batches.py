"""The order in which a decoder sees its documents; it follows from seed and epoch, so a resumed training finds it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import IntArray
from core.domains.draws import stream
from core.text.language_model import TokenizedDocuments
from core.text.tokenizers.tokenizer import END

_POOL = 16
"""Batches whose documents are sorted by length together, so that little is padded."""
NOT_PREDICTED = -100


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """TokenizedDocuments side by side.

    Attributes:
        inputs: The tokens before each, shape (n, length), padded with ends.
        targets: The tokens to predict, `NOT_PREDICTED` where there is none.
        n_predicted: How many are predicted.
    """

    inputs: IntArray
    targets: IntArray
    n_predicted: int


TokenRow = Sequence[int]


def rows_of(documents: TokenizedDocuments, max_length: int) -> list[TokenRow]:
    """Return each document between two ends; a longer one in pieces, each after the last token of the one before.

    >>> rows_of([[5, 6]], 8), rows_of([[5, 6, 7]], 2)
    ([[0, 5, 6, 0]], [[0, 5, 6], [6, 7, 0]])
    """
    rows: list[TokenRow] = []
    for document in documents:
        whole = [END, *document, END]
        rows += [whole[at : at + max_length + 1] for at in range(0, len(whole) - 1, max_length)]
    return rows


def batch_of(rows: Sequence[TokenRow]) -> TokenBatch:
    """Pad rows to one length."""
    length = max(map(len, rows)) - 1
    inputs = np.full((len(rows), length), END, dtype=np.int64)
    targets = np.full((len(rows), length), NOT_PREDICTED, dtype=np.int64)
    for place, row in enumerate(rows):
        inputs[place, : len(row) - 1] = row[:-1]
        targets[place, : len(row) - 1] = row[1:]
    return TokenBatch(inputs, targets, sum(len(row) - 1 for row in rows))


def n_batches(n_rows: int, batch_size: int) -> int:
    """Return how many batches an epoch has."""
    return -(-n_rows // batch_size)


def epoch_order(lengths: IntArray, batch_size: int, *, seed: int, epoch: int) -> list[IntArray]:
    """Return the rows of each batch of an epoch: shuffled, sorted by length in pools, and the batches shuffled.

    Args:
        lengths: Of all rows, shape (n,).
        batch_size: Rows in a batch; the last one may have fewer.
        seed: Of the training.
        epoch: From 0.
    """
    rng = stream(seed, f"epoch {epoch}")
    order = rng.permutation(len(lengths))
    pool = _POOL * batch_size
    pooled = [order[at : at + pool] for at in range(0, len(order), pool)]
    ordered = np.concatenate([each[np.argsort(lengths[each], kind="stable")] for each in pooled])
    batches = [ordered[at : at + batch_size] for at in range(0, len(ordered), batch_size)]
    return [batches[place] for place in rng.permutation(len(batches)).tolist()]
