"""A tokenizer gives back exactly what it was given, whatever that is, and is stored as data."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cli.main import main
from core.text.corpus import draw_corpus
from core.text.tokenizers import (
    KINDS,
    BytePairTokenizer,
    TokenizerError,
    load_tokenizer,
    read_tokenizer,
    save_tokenizer,
    spell_tokenizer,
    train_tokenizer,
    vocabulary_report,
)

TRAINED = {
    (kind, size): train_tokenizer(kind, draw_corpus("etrm", 200, seed=1).documents, size)
    for kind in KINDS
    for size in (257, 300, 10_000)
}
ANYTHING = st.text(st.characters(), max_size=60) | st.text("Trade T0123 at GAS_TTF.\n\0é", max_size=60)
HALF = "\ud800"


@pytest.mark.parametrize("trained", TRAINED.values(), ids=map(str, TRAINED))
@given(text=ANYTHING)
def test_anything_comes_back(trained, text):
    tokens = trained.encode(text)
    assert trained.decode(tokens) == text
    assert all(1 <= token < trained.n_tokens for token in tokens)


@pytest.mark.parametrize("text", [HALF, f"a{HALF}\udc00b", "\ufeff", "\ufffd", "\r\n", "日本語", "0" * 500])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_hard_to_spell_comes_back(kind, text):
    trained = TRAINED[kind, 300]
    assert trained.decode(trained.encode(text)) == text


@pytest.mark.parametrize("trained", TRAINED.values(), ids=map(str, TRAINED))
def test_a_number_is_spelled_digit_by_digit(trained):
    number = trained.encode("430100")
    assert [trained.tokens[token] for token in number] == [b"4", b"3", b"0", b"1", b"0", b"0"]


def test_bytes_that_are_no_text_become_replacement_characters():
    assert TRAINED["word", 257].decode([1 + 0xFF, 1 + ord("a")]) == "\ufffda"


@pytest.mark.parametrize("size", [257, 300, 10_000])
@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_keeps_to_its_cap_and_says_what_it_reached(kind, size):
    documents = draw_corpus("etrm", 200, seed=1).documents
    report = vocabulary_report(TRAINED[kind, size], documents)
    assert report.n_tokens <= size
    assert 0 < report.n_used <= report.n_tokens
    assert 0 < report.often_share <= 1
    assert report.characters_a_token < report.tokens_a_document
    assert vocabulary_report(TRAINED[kind, 257], documents).characters_a_token <= report.characters_a_token


@pytest.mark.parametrize("kind", ["bpe", "gpt2"])
def test_a_file_whose_tokens_double_in_length_is_refused(kind):
    merges = [[98, 98], *([257 + each, 257 + each] for each in range(40))]
    with pytest.raises(TokenizerError, match=r"here, merge 15: its token has 32,768 bytes"):
        read_tokenizer(json.dumps({"kind": kind, "format": 1, "merges": merges}).encode(), "here")


def test_merges_are_those_of_counting_every_pair_anew():
    documents = ["aaab aab", "abab caab", "aaaa", "ab ab  ab", "aaabaaab baab caabab", "baaa caaa aaab"]
    fast = train_tokenizer("bpe", documents, 264)
    assert fast.merges == tuple(merges_by_hand(documents, len(fast.merges)))
    assert len(fast.merges) >= 5


@st.composite
def merges_of_few_letters(draw):
    """Draw merges of tokens of a, b and c, in any order, as a file from elsewhere may have them."""
    tokens, merges = [98, 99, 100], []
    for _ in range(draw(st.integers(0, 12))):
        pair = (draw(st.sampled_from(tokens)), draw(st.sampled_from(tokens)))
        if pair not in merges:
            merges.append(pair)
            tokens.append(256 + len(merges))
    return merges


@given(merges=merges_of_few_letters(), text=st.text("abc", max_size=30))
def test_the_pair_of_the_lowest_rank_is_merged_first_and_the_leftmost_of_several(merges, text):
    assert BytePairTokenizer(merges).encode(text) == spelled_by_hand(text, merges)


def spelled_by_hand(text: str, merges: list[tuple[int, int]]) -> list[int]:
    spelled = [each + 1 for each in text.encode()]
    while ranked := [(merges.index(pair), at) for at, pair in enumerate(pairwise(spelled)) if pair in merges]:
        rank, at = min(ranked)
        spelled[at : at + 2] = [257 + rank]
    return spelled


def test_a_long_piece_costs_its_length_and_is_not_kept():
    class Counted(dict):
        n_looks = 0

        def get(self, *asked):
            Counted.n_looks += 1
            return super().get(*asked)

    tokenizer = train_tokenizer("bpe", ["abab cabab abab"], 262)
    tokenizer._ranks = Counted(tokenizer._ranks)
    piece = "ab" * 5_000
    assert tokenizer.decode(tokenizer.encode(piece)) == piece
    assert Counted.n_looks < 5 * len(piece)
    assert tokenizer.encode("ab")
    assert piece not in tokenizer._known


def merges_by_hand(documents: list[str], n: int) -> list[tuple[int, int]]:
    """Merge by the definition: count every pair, merge the most frequent, of equals the lowest, and begin again."""
    from core.text.tokenizers.tokenizer import pieces_of, spelled_in_bytes

    words = [list(spelled_in_bytes(piece)) for document in documents for piece in pieces_of(document)]
    merges = []
    for place in range(n):
        counts: dict[tuple[int, int], int] = {}
        for word in words:
            for pair in pairwise(word):
                counts[pair] = counts.get(pair, 0) + 1
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        for word in words:
            at = 0
            while at < len(word) - 1:
                if (word[at], word[at + 1]) == best:
                    word[at : at + 2] = [257 + place]
                at += 1
    return merges


@pytest.mark.parametrize("trained", TRAINED.values(), ids=map(str, TRAINED))
def test_a_stored_tokenizer_is_the_same(trained, tmp_path):
    save_tokenizer(trained, tmp_path / "tokenizer.json")
    loaded = load_tokenizer(tmp_path / "tokenizer.json")
    assert (loaded.kind, loaded.tokens) == (trained.kind, trained.tokens)
    assert spell_tokenizer(loaded) == spell_tokenizer(trained)
    assert loaded.encode("Trade T0001 at GAS_TTF") == trained.encode("Trade T0001 at GAS_TTF")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is no tokenizer"),
        (b"\x80\x04K\x01.", "is no tokenizer"),
        (b'{"kind":"pickle","format":1}', "is no tokenizer"),
        (b'{"kind":"word","format":2,"words":[]}', "has the format 2"),
        (b'{"kind":"word","format":1,"words":["a","a"]}', "a word twice"),
        (b'{"kind":"word","format":1,"words":[""]}', "an empty one"),
        (b'{"kind":"word","format":1,"words":[],"code":"x"}', "is no tokenizer"),
        (b'{"kind":"bpe","format":1,"merges":[[1,257]]}', "does not come before"),
        (b'{"kind":"bpe","format":1,"merges":[[0,1]]}', "does not come before"),
        (b'{"kind":"bpe","format":1,"merges":[[1,2],[1,2]]}', "a merge twice"),
    ],
)
def test_a_file_that_is_no_tokenizer_is_refused(content, problem):
    with pytest.raises(TokenizerError, match=problem):
        read_tokenizer(content, "tokenizer.json")


@pytest.mark.parametrize(("kind", "size"), [("sentence", 300), ("word", 256), ("bpe", 100_001)])
def test_a_kind_or_size_that_cannot_be_is_refused(kind, size):
    with pytest.raises(TokenizerError):
        train_tokenizer(kind, ["a"], size)


def test_the_command_trains_a_tokenizer_on_a_file(tmp_path, capsys):
    corpus, out = tmp_path / "corpus.txt", tmp_path / "bpe.json"
    corpus.write_text("lots of lots of lots\nlots more of lots\nmore\n")
    assert main(["text", "tokenizer", str(corpus), "--kind", "bpe", "--vocab-size", "262", "--out", str(out)]) == 0
    assert "262 tokens" in capsys.readouterr().out
    assert load_tokenizer(out).n_tokens == 262
    assert main(["text", "tokenizer", str(corpus), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "word"
    assert main(["text", "tokenizer", str(corpus), "--vocab-size", "10"]) == 2
    assert "257 to 100,000" in capsys.readouterr().err
