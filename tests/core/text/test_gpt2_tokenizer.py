"""The tokenizer of a GPT-2: the tokens that `tokenizers` found, every text comes back, and others are refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text.tokenizers import TokenizerError, read_tokenizer, spell_tokenizer
from core.text.tokenizers.gpt2 import read_gpt2_tokenizer

SMALL = Path(__file__).parent / "gpt2_small"
CONTENT = (SMALL / "tokenizer.json").read_bytes()


def test_texts_have_the_tokens_that_the_library_finds():
    found = read_gpt2_tokenizer(CONTENT, "tokenizer.json")
    for text, tokens in json.loads((SMALL / "expected.json").read_text())["texts"].items():
        assert [found.order[token] for token in found.tokenizer.encode(text)] == tokens


@given(st.text(st.characters(exclude_categories=())))
def test_every_text_comes_back(text):
    tokenizer = read_gpt2_tokenizer(CONTENT, "tokenizer.json").tokenizer
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_it_is_stored_as_a_tokenizer_of_its_own_kind():
    tokenizer = read_gpt2_tokenizer(CONTENT, "tokenizer.json").tokenizer
    again = read_tokenizer(spell_tokenizer(tokenizer), "tokenizer.json")
    assert (again.kind, again.tokens) == ("gpt2", tokenizer.tokens)
    assert again.encode("it's 12 lots") == tokenizer.encode("it's 12 lots")


def _without_end(file):
    file["model"]["vocab"]["other"] = file["model"]["vocab"].pop("<|endoftext|>")
    file["added_tokens"] = []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda file: file.clear(), "missing required field"),
        (lambda file: file["model"].update(type="WordPiece"), "model"),
        (lambda file: file.update(pre_tokenizer={"type": "Whitespace"}), "pre_tokenizer"),
        (lambda file: file.update(normalizer={"type": "NFC"}), "normalizer"),
        (lambda file: file["model"]["merges"].pop(), "has 287 tokens"),
        (lambda file: file["model"]["vocab"].update(a=5_000), "vocab: its numbers"),
        (lambda file: file["model"]["merges"].reverse(), "merge 1"),
        (lambda file: file["model"]["merges"].__setitem__(1, file["model"]["merges"][0]), "merge 2"),
        (_without_end, "lacks '<|endoftext|>'"),
    ],
)
def test_another_tokenizer_is_refused_with_its_place(damage, problem):
    file = json.loads(CONTENT)
    damage(file)
    with pytest.raises(TokenizerError) as refusal:
        read_gpt2_tokenizer(json.dumps(file).encode(), "tokenizer.json")
    assert str(refusal.value).startswith("tokenizer.json")
    assert problem in str(refusal.value)
