"""What prompts are compared with: how likely a version finds the beginnings of documents that it has not seen.

The first tokens of a document are the least certain ones, so a prompt is compared with beginnings of its own length:
the share of held-out documents whose first tokens are likelier than its own is even, whatever its length, if prompts
are beginnings of such documents. Only the words that have ended count, since a word that was cut has other tokens.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import chain

import msgspec

from core.json_documents import decode_json
from core.models.errors import ArtifactError
from core.text.language_model import LanguageModel
from core.text.tokenizers.tokenizer import END, Tokenizer

LENGTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Tokens of the beginnings: a prompt is compared by its first ones, as many as the longest of these that it has."""
LEAST_DOCUMENTS = 50
"""Documents that a length needs; a corpus with fewer is no reference."""
MOST_DOCUMENTS = 500
LONG = 0.95
"""The share of held-out documents that a long prompt is longer than."""
_DIGITS = 3  # of nats: a decoder adds up a batch in another order than one prompt


class PromptReference(msgspec.Struct, frozen=True, kw_only=True):
    """The beginnings of held-out documents.

    Attributes:
        n_documents: How many documents.
        longest: The tokens that 95 % of them have at most.
        nats: By each of `LENGTHS`, the nats of the beginnings so long, sorted; lengths that few documents have are
            missing at the end.
    """

    n_documents: int
    longest: int
    nats: tuple[tuple[float, ...], ...]

    def length_for(self, n_tokens: int) -> int:
        """Return how many tokens of a prompt are compared; 0 if there is nothing to compare."""
        return max((length for length in LENGTHS[: len(self.nats)] if length <= n_tokens), default=0)

    def rank(self, length: int, nats: float) -> float:
        """Return the share of held-out beginnings of a length that are likelier; of equal ones, half count.

        >>> PromptReference(n_documents=4, longest=9, nats=((1.0, 2.0, 2.0, 3.0),)).rank(1, 2.0)
        0.5
        """
        known, own = self.nats[LENGTHS.index(length)], round(nats, _DIGITS)
        return (bisect_left(known, own) + bisect_right(known, own)) / 2 / len(known)


def whole_words(prompt: str) -> str:
    """Return the words of a prompt that have surely ended: cut within a word, it has tokens that no document has there.

    >>> whole_words("Risk note 2025-06-1"), whole_words("Risk note "), whole_words("Risk")
    ('Risk note', 'Risk note', '')
    """
    whole = prompt.rstrip()
    if whole == prompt:
        whole = whole[: max((place for place, character in enumerate(whole) if character.isspace()), default=0)]
    return whole.rstrip()


def prompt_nats(model: LanguageModel, tokens: Sequence[int]) -> float:
    """Return -log P of some tokens as the beginning of a document."""
    if not tokens:
        return 0.0
    return float(model.document_nats([tokens])[0]) - _ending(model, tokens)


def make_prompt_reference(
    model: LanguageModel, tokenizer: Tokenizer, *documents: Sequence[str]
) -> PromptReference | None:
    """Weigh the beginnings of held-out documents; None of too few.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        documents: Held-out documents, in some sequences: the first `MOST_DOCUMENTS` are weighed.
    """
    encoded = [tokenizer.encode(document) for document in list(chain(*documents))[:MOST_DOCUMENTS]]
    found: list[tuple[float, ...]] = []
    for length in LENGTHS:
        begun = [document[:length] for document in encoded if len(document) >= length]
        if len(begun) < LEAST_DOCUMENTS:
            break
        whole = model.document_nats(begun)
        nats = (float(each) - _ending(model, tokens) for each, tokens in zip(whole, begun, strict=True))
        found.append(tuple(sorted(round(each, _DIGITS) for each in nats)))
    if not found:
        return None
    lengths = sorted(map(len, encoded))
    return PromptReference(n_documents=len(encoded), longest=lengths[int(LONG * (len(lengths) - 1))], nats=tuple(found))


def spell_prompt_reference(reference: PromptReference) -> bytes:
    """Return a reference as a file of a version."""
    return msgspec.json.encode(reference) + b"\n"


def read_prompt_reference(content: bytes, where: object) -> PromptReference:
    """Read what `spell_prompt_reference` wrote.

    Raises:
        ArtifactError: It is nothing of the kind.
    """
    try:
        found = decode_json(content, PromptReference)
    except msgspec.DecodeError as error:
        raise ArtifactError(f"{where} holds no reference of prompts that can be read: {error}") from None
    if not 0 < len(found.nats) <= len(LENGTHS) or not all(found.nats):
        raise ArtifactError(f"{where} holds no reference of prompts that can be read: it names no beginnings")
    return found


def _ending(model: LanguageModel, tokens: Sequence[int]) -> float:
    """Return -log P of the end after some tokens: `document_nats` counts it, and a beginning has none."""
    going = model.begin()
    going.take(tokens)
    return -float(going.next_log_probabilities()[END])
