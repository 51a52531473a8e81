"""The tokenizer of a GPT-2, from the `tokenizer.json` of Hugging Face: byte pairs as ours, but other pieces.

Its tokens are renumbered: the end is 0, then come the 256 bytes and the merges in their order. `Gpt2Vocabulary.order`
has the former number of each, by which the rows of embeddings are reordered.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any
from unicodedata import category

import msgspec

from core.escape import shown
from core.json_documents import decode_json
from core.text.tokenizers.byte_pairs import BytePairTokenizer, Pair
from core.text.tokenizers.tokenizer import MAX_TOKENS, N_FIXED, TokenizerError

MAX_BYTES = 64 * 1024 * 1024
END_TEXT = "<|endoftext|>"
_SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


class Gpt2Tokenizer(BytePairTokenizer):
    """Byte pairs within the pieces of GPT-2, where a number is one piece.

    >>> list(Gpt2Tokenizer(())._pieces("it's 12.5 EUR  now"))
    ['it', "'s", ' 12', '.', '5', ' EUR', ' ', ' now']
    """

    kind = "gpt2"

    def _pieces(self, text: str) -> Iterator[str]:
        return (match[0] for match in _gpt2_piece().finditer(text))


@cache
def _gpt2_piece() -> re.Pattern[str]:
    r"""Return the pattern of GPT-2; \p{N} is spelled out, since `re` has no categories."""
    numbers = [code for code in range(sys.maxunicode + 1) if category(chr(code)) in ("Nl", "No")]
    ranges = []
    for _, run in groupby(enumerate(numbers), lambda each: each[1] - each[0]):
        codes = [code for _, code in run]
        ranges.append(f"{chr(codes[0])}-{chr(codes[-1])}")
    others = "".join(ranges)
    return re.compile(
        rf"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_{others}]+| ?[\d{others}]+| ?(?:[^\w{_SPACE}]|_)+|"
        rf"[{_SPACE}]+(?![^{_SPACE}])|[{_SPACE}]+"
    )


class _AddedToken(msgspec.Struct, frozen=True):
    id: int
    content: str


class _BytePairModel(msgspec.Struct, frozen=True):
    vocab: dict[str, int]
    merges: list[str | tuple[str, str]]
    type: str = "BPE"
    dropout: float | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    ignore_merges: bool = False


class _TokenizerFile(msgspec.Struct, frozen=True):
    model: _BytePairModel
    pre_tokenizer: dict[str, Any] | None = None
    normalizer: dict[str, Any] | None = None
    added_tokens: list[_AddedToken] = []


@dataclass(frozen=True, slots=True)
class Gpt2Vocabulary:
    """A tokenizer, and the number that each of its tokens has in the weights of its folder."""

    tokenizer: Gpt2Tokenizer
    order: tuple[int, ...]


def read_gpt2_tokenizer(content: bytes, where: object) -> Gpt2Vocabulary:
    """Read the `tokenizer.json` of a GPT-2.

    Raises:
        TokenizerError: It is not the tokenizer of a GPT-2.
    """
    if len(content) > MAX_BYTES:
        raise TokenizerError(f"{where} has more than {MAX_BYTES:,} bytes, the most that a tokenizer may have.")
    try:
        found = decode_json(content, _TokenizerFile)
    except msgspec.DecodeError as error:
        raise TokenizerError(f"{where} is not the tokenizer of a GPT-2: {error}.") from None
    model, pieces = found.model, found.pre_tokenizer or {}
    unusual = model.dropout or model.continuing_subword_prefix or model.end_of_word_suffix or model.ignore_merges
    if model.type != "BPE" or unusual:
        raise TokenizerError(f"{where}, model: it is not the byte pairs of a GPT-2.")
    if (
        pieces.get("type") != "ByteLevel"
        or pieces.get("add_prefix_space")
        or (pieces.get("use_regex", True) is not True)
    ):
        raise TokenizerError(f"{where}, pre_tokenizer: it must be ByteLevel without add_prefix_space, as of a GPT-2.")
    if found.normalizer is not None:
        raise TokenizerError(f"{where}, normalizer: a GPT-2 has none.")
    vocabulary = dict(model.vocab)
    for added in found.added_tokens:
        if vocabulary.setdefault(added.content, added.id) != added.id:
            raise TokenizerError(f"{where}, added_tokens: {shown(added.content)} has two numbers.")
    if len(model.merges) + N_FIXED != len(vocabulary) or len(vocabulary) > MAX_TOKENS:
        raise TokenizerError(
            f"{where} has {len(vocabulary):,} tokens; a GPT-2 with {len(model.merges):,} merges has "
            f"{len(model.merges) + N_FIXED:,}: the bytes, the merges and {END_TEXT}."
        )
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise TokenizerError(f"{where}, vocab: its numbers are not 0 to {len(vocabulary) - 1:,}, each once.")
    characters = _byte_characters()
    ours = {character: 1 + byte for byte, character in enumerate(characters)}
    spelled = [END_TEXT, *characters]
    merges: list[Pair] = []
    for place, merge in enumerate(model.merges):
        left, _, right = merge.partition(" ") if isinstance(merge, str) else (merge[0], " ", merge[1])
        if left not in ours or right not in ours or left + right in ours:
            raise TokenizerError(
                f"{where}, merge {place + 1}: {shown(left)} and {shown(right)} must be known and make a new token."
            )
        merges.append((ours[left], ours[right]))
        ours[left + right] = N_FIXED + place
        spelled.append(left + right)
    for text in spelled:
        if text not in vocabulary:
            raise TokenizerError(f"{where}, vocab: it lacks {shown(text)}.")
    return Gpt2Vocabulary(Gpt2Tokenizer(merges), tuple(vocabulary[text] for text in spelled))


def _byte_characters() -> list[str]:
    """Return the character by which the file spells each byte: itself where it can be seen, else one from 256 on."""
    seen = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = iter(range(256, 512))
    return [chr(byte if byte in seen else next(hidden)) for byte in range(256)]
