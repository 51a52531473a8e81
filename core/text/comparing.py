"""Whether a model still knows what another one has learned, such as the base that it was fine-tuned from."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from core.arrays import FloatArray
from core.errors import UsageError
from core.text.judging import encoded

if TYPE_CHECKING:
    from core.text.data import TextData
    from core.text.model_folder import TextModel

LEAST_DOCUMENTS = 10


class TextComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two models on the same documents, neither of which has learned from them.

    Attributes:
        n_documents: How many.
        bits_a_character: The loss of the model; tokenizers may differ.
        other_bits_a_character: The loss of the other one.
        difference: The first less the second: what the model has forgotten, where it is above 0.
        low: Of the 95 % interval of the difference.
        high: Of the 95 % interval of the difference.
    """

    n_documents: int
    bits_a_character: float
    other_bits_a_character: float
    difference: float
    low: float
    high: float

    @property
    def finding(self) -> str:
        """What is shown."""
        if self.low > 0:
            return "it has forgotten some of what the other has learned"
        if self.high < 0:
            return "it is better there"
        return "no difference is shown"


def compare_texts(model: "TextModel", data: "TextData", other: "TextModel", others: "TextData") -> TextComparison:
    """Compare two models on what the other one was judged by.

    Args:
        model: The model.
        data: What it was trained on and judged by.
        other: The other one, such as its base.
        others: The same of the other one.
    Raises:
        UsageError: Fewer than ten documents are left that neither has learned from.
    """
    learned = {*data.training.documents, *others.training.documents}
    documents = [document for document in others.judged.documents if document and document not in learned]
    if len(documents) < LEAST_DOCUMENTS:
        raise UsageError(
            f"Only {len(documents)} of the {len(others.judged.documents)} documents that the other model is judged by "
            f"are in no training; a comparison needs {LEAST_DOCUMENTS}."
        )
    own, base = (each.model.document_nats(encoded(each.tokenizer, documents)) / math.log(2) for each in (model, other))
    characters = [len(document) for document in documents]
    difference, low, high = ratio_interval(own - base, characters)
    return TextComparison(
        n_documents=len(documents),
        bits_a_character=float(own.sum() / sum(characters)),
        other_bits_a_character=float(base.sum() / sum(characters)),
        difference=difference,
        low=low,
        high=high,
    )


def ratio_interval(differences: FloatArray, sizes: Sequence[int]) -> tuple[float, float, float]:
    """Return the difference of two losses by size, and its 95 % interval.

    It is a ratio of sums over documents, so its interval is that of a ratio estimator, with Student's t (Cochran,
    Sampling Techniques, 3rd edition, 6.4). Documents count as drawn independently.

    Args:
        differences: Of the losses of each document, shape (n,), n at least 2.
        sizes: Of each document, in characters or tokens.

    >>> ratio_interval(np.array([1.0, 1.0, 1.0]), [2, 2, 2])
    (0.5, 0.5, 0.5)
    """
    from scipy.stats import t

    weights = np.array(sizes, dtype=float)
    difference = float(differences.sum() / weights.sum())
    n, left = len(weights), differences - difference * weights
    half = float(t.ppf(0.975, n - 1)) * math.sqrt(n / (n - 1) * float(left @ left)) / float(weights.sum())
    return difference, difference - half, difference + half
