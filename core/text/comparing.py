"""Whether a model still knows what another one has learned, such as the base that it was fine-tuned from."""

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from core.errors import UsageError
from core.text.judging import encoded

if TYPE_CHECKING:
    from core.text.data import TextData
    from core.text.model_folder import TextModel

_LEAST_DOCUMENTS = 10


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

    The difference is a ratio of sums over documents, so its interval is that of a ratio estimator, with Student's t
    (Cochran, Sampling Techniques, 3rd edition, 6.4). Documents count as drawn independently.

    Args:
        model: The model.
        data: What it was trained on and judged by.
        other: The other one, such as its base.
        others: The same of the other one.
    Raises:
        UsageError: Fewer than ten documents are left that neither has learned from.
    """
    from scipy.stats import t

    learned = {*data.training.documents, *others.training.documents}
    documents = [document for document in others.judged.documents if document and document not in learned]
    if len(documents) < _LEAST_DOCUMENTS:
        raise UsageError(
            f"Only {len(documents)} of the {len(others.judged.documents)} documents that the other model is judged by "
            f"are in no training; a comparison needs {_LEAST_DOCUMENTS}."
        )
    own, base = (each.model.document_nats(encoded(each.tokenizer, documents)) / math.log(2) for each in (model, other))
    characters = np.array([len(document) for document in documents], dtype=float)
    difference = float((own - base).sum() / characters.sum())
    n, left = len(documents), (own - base) - difference * characters
    error = math.sqrt(n / (n - 1) * float(left @ left)) / float(characters.sum())
    half = float(t.ppf(0.975, n - 1)) * error
    return TextComparison(
        n_documents=n,
        bits_a_character=float(own.sum() / characters.sum()),
        other_bits_a_character=float(base.sum() / characters.sum()),
        difference=difference,
        low=difference - half,
        high=difference + half,
    )
