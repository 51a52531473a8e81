"""Corpora are drawn into files and read back; a user's own file is refused where it cannot be used."""

import json

import pytest

from console.cli.main import main
from core.domains.grammar.kind import NamesInTexts
from core.errors import UsageError
from core.text import corpus as module
from core.text.corpus import draw_corpus, read_corpus, text_grammar, write_corpus


def test_a_corpus_file_holds_what_was_drawn(tmp_path):
    drawn = draw_corpus("etrm", 30, seed=3)
    for name in ("a.txt", "a.jsonl"):
        made = write_corpus("etrm", 30, tmp_path / name, seed=3)
        read = read_corpus(tmp_path / name)
        assert read.documents == drawn.documents
        assert made.nats_a_document == pytest.approx(drawn.floor_nats)
        assert made.n_characters == sum(map(len, drawn.documents))
        assert sum(made.kinds.values()) == made.n_documents == 30
        assert (read.log_probabilities == drawn.log_probabilities) is name.endswith("jsonl")


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        write_corpus("etrm", 50, tmp_path / name, seed=9, names=NamesInTexts.KNOWN)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_a_users_own_lines_are_read_without_the_empty_ones(tmp_path):
    (tmp_path / "own.txt").write_bytes("eins\r\n\nzwei, drei\n\ufeffvier".encode())
    assert read_corpus(tmp_path / "own.txt").documents == ("eins", "zwei, drei", "\ufeffvier")
    assert read_corpus(tmp_path / "own.txt").floor_nats is None


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt", b"", "holds no document"),
        ("a.txt", b"good\nbad \xff", "line 2, is not UTF-8"),
        ("a.txt", b"x" * 20_001, "line 1, has 20,001 characters"),
        ("a.jsonl", b'{"text": "a"}\n{"text": 1}', "line 2, is no record"),
        ("a.jsonl", b"[" * 100_000, "line 1, is no record"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_line(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=problem):
        read_corpus(tmp_path / name)


def test_a_file_that_is_none_or_too_large_is_refused(tmp_path, monkeypatch):
    for path in (tmp_path, tmp_path / "missing.txt"):
        with pytest.raises(UsageError, match="the corpus, cannot be read"):
            read_corpus(path)
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 3)
    (tmp_path / "a.txt").write_text("long")
    with pytest.raises(UsageError, match="more than 3 bytes"):
        read_corpus(tmp_path / "a.txt")


def test_a_domain_without_a_grammar_is_refused():
    with pytest.raises(UsageError, match="Domains with one: etrm"):
        text_grammar("bonds")


def test_the_command_says_what_it_wrote(tmp_path, capsys):
    out = tmp_path / "corpus.jsonl"
    assert main(["text", "corpus", "--out", str(out), "--n", "40", "--seed", "1", "--names", "known", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["n_documents"], made["seed"], made["names"]) == (40, 1, "known")
    assert made["notice"].startswith("Synthetic")
    assert main(["text", "corpus", "--out", str(out)]) == 2
    assert "already exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--out", "a.csv"], "must end in .txt"),
        (["--out", "a.txt", "--seed", "-1"], "must be 0 or more"),
        (["--out", "a.txt", "--n", "2000001"], "at most 2,000,000"),
        (["--out", "a.txt", "--domain", "nowhere"], "nowhere"),
    ],
)
def test_a_wrong_argument_is_refused(tmp_path, monkeypatch, capsys, arguments, problem):
    monkeypatch.chdir(tmp_path)
    assert main(["text", "corpus", *arguments]) == 2
    assert problem in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
