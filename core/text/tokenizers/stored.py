"""Tokenizers in files: JSON, read as data of a known shape; nothing in it is ever executed."""

from pathlib import Path

import msgspec

from core.errors import UsageError
from core.files import access_error
from core.json_documents import decode_json
from core.output_files import write_new_output
from core.plain_files import read_file
from core.text.tokenizers.byte_pairs import BytePairTokenizer
from core.text.tokenizers.gpt2 import Gpt2Tokenizer
from core.text.tokenizers.tokenizer import MAX_TOKENS, N_FIXED, Tokenizer, TokenizerError
from core.text.tokenizers.words import WordTokenizer

MAX_BYTES = 16 * 1024 * 1024
_MAX_TOKEN_BYTES = 20_000  # the longest line of a corpus
_FORMAT = 1


class _Words(msgspec.Struct, frozen=True, tag="word", tag_field="kind", forbid_unknown_fields=True):
    format: int
    words: tuple[str, ...]


class _Pairs(msgspec.Struct, frozen=True, tag="bpe", tag_field="kind", forbid_unknown_fields=True):
    format: int
    merges: tuple[tuple[int, int], ...]


class _Gpt2Pairs(_Pairs, frozen=True, tag="gpt2"):
    pass


def spell_tokenizer(tokenizer: Tokenizer) -> bytes:
    """Return a tokenizer as JSON; the same tokenizer gives the same bytes."""
    if isinstance(tokenizer, WordTokenizer):
        return msgspec.json.encode(_Words(_FORMAT, tokenizer.words))
    assert isinstance(tokenizer, BytePairTokenizer)
    stored = _Gpt2Pairs if isinstance(tokenizer, Gpt2Tokenizer) else _Pairs
    return msgspec.json.encode(stored(_FORMAT, tokenizer.merges))


def read_tokenizer(content: bytes, where: object) -> Tokenizer:
    """Read a tokenizer from JSON.

    Args:
        content: What `spell_tokenizer` returned, or anything else.
        where: Its place, for the errors.
    Raises:
        TokenizerError: It is no tokenizer.
    """
    if len(content) > MAX_BYTES:
        raise TokenizerError(f"{where} has more than {MAX_BYTES:,} bytes, the most that a tokenizer may have.")
    try:
        found = decode_json(content, _Words | _Pairs | _Gpt2Pairs)  # type: ignore[arg-type]
    except msgspec.DecodeError as error:
        raise TokenizerError(f"{where} is no tokenizer: {error}.") from None
    if found.format != _FORMAT:
        raise TokenizerError(f"{where} has the format {found.format}; this release reads {_FORMAT}.")
    if isinstance(found, _Words):
        if len(set(found.words)) != len(found.words) or not all(found.words):
            raise TokenizerError(f"{where} has a word twice, or an empty one.")
        _require_size(len(found.words), where)
        return WordTokenizer(found.words)
    _require_size(len(found.merges), where)
    for place, pair in enumerate(found.merges):
        if not all(1 <= token < N_FIXED + place for token in pair):
            raise TokenizerError(
                f"{where}, merge {place + 1}: {list(pair)} names a token that does not come before it."
            )
    lengths = [0] + [1] * (N_FIXED - 1)  # of the tokens: of the end and of the bytes
    for place, (left, right) in enumerate(found.merges):
        lengths.append(lengths[left] + lengths[right])
        if lengths[-1] > _MAX_TOKEN_BYTES:
            raise TokenizerError(
                f"{where}, merge {place + 1}: its token has {lengths[-1]:,} bytes; one has at most "
                f"{_MAX_TOKEN_BYTES:,}."
            )
    if len(set(found.merges)) != len(found.merges):
        raise TokenizerError(f"{where} has a merge twice.")
    return Gpt2Tokenizer(found.merges) if isinstance(found, _Gpt2Pairs) else BytePairTokenizer(found.merges)


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Write a tokenizer into a new file.

    Raises:
        UsageError: The file exists already.
        RefusedError: It is in a workspace.
    """
    write_new_output(path, spell_tokenizer(tokenizer) + b"\n")


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer from a file.

    Raises:
        TokenizerError: It is no tokenizer.
        FileAccessError: It cannot be read.
    """
    try:
        content = read_file(path, most=MAX_BYTES)
    except OSError as error:
        raise access_error(path, "read", error) from error
    return read_tokenizer(content, path)


def _require_size(n_own: int, where: object) -> None:
    if N_FIXED + n_own > MAX_TOKENS:
        raise UsageError(f"{where} has {N_FIXED + n_own:,} tokens; a vocabulary has at most {MAX_TOKENS:,}.")
