"""Training a tokenizer on documents, and what its vocabulary is worth on them."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from core.text.tokenizers.byte_pairs import BytePairTokenizer
from core.text.tokenizers.tokenizer import MAX_TOKENS, N_FIXED, Tokenizer, TokenizerError
from core.text.tokenizers.words import WordTokenizer

KINDS: Mapping[str, type[WordTokenizer] | type[BytePairTokenizer]] = {
    "word": WordTokenizer,
    "bpe": BytePairTokenizer,
}
_OFTEN = 5


class VocabularyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a vocabulary is worth on some documents.

    Attributes:
        kind: Of the tokenizer.
        n_tokens: The size of the vocabulary: the end, the 256 bytes, and the tokens that were learned.
        n_used: How many of them spell the documents; the vocabulary that is reached.
        often_share: The share of these that occur at least five times.
        tokens_a_document: The mean number of tokens, with the end.
        characters_a_token: The mean length of a token.
    """

    kind: str
    n_tokens: int
    n_used: int
    often_share: float
    tokens_a_document: float
    characters_a_token: float


def train_tokenizer(kind: str, documents: Sequence[str], vocab_size: int) -> Tokenizer:
    """Train a tokenizer.

    Args:
        kind: One of `KINDS`.
        documents: What it learns from.
        vocab_size: The largest vocabulary; a small corpus does not fill it.
    Raises:
        TokenizerError: There is no such kind, or the vocabulary has no room for every byte, or is too large.
    """
    if kind not in KINDS:
        raise TokenizerError(f"There is no tokenizer {kind!r}. Kinds: {', '.join(KINDS)}.")
    if not N_FIXED <= vocab_size <= MAX_TOKENS:
        raise TokenizerError(f"A vocabulary has {N_FIXED} to {MAX_TOKENS:,} tokens, not {vocab_size:,}.")
    return KINDS[kind].trained(documents, vocab_size)


def vocabulary_report(tokenizer: Tokenizer, documents: Sequence[str]) -> VocabularyReport:
    """Count which tokens spell some documents, of which there is at least one."""
    counts: Counter[int] = Counter()
    for document in documents:
        counts.update(tokenizer.encode(document))
    n = counts.total() + len(documents)
    counts[0] = len(documents)
    return VocabularyReport(
        kind=tokenizer.kind,
        n_tokens=tokenizer.n_tokens,
        n_used=len(counts),
        often_share=sum(number >= _OFTEN for number in counts.values()) / len(counts),
        tokens_a_document=n / len(documents),
        characters_a_token=sum(map(len, documents)) / n,
    )
