"""What a model has forgotten: on documents that neither model has learned from, with an interval that holds."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from bondx.ml.model_fine_tuning import ModelConfig, compare, main
from console.cli.main import main as run
from core.errors import UsageError
from core.text.comparing import compare_texts
from core.text.corpus import Corpus
from core.text.data import TextData


class Weighing:
    """A model whose loss of a document somebody else decides."""

    def __init__(self, nats):
        self.document_nats = nats


def opened(nats):
    return SimpleNamespace(tokenizer=SimpleNamespace(encode=str.encode), model=Weighing(nats))


def data(training, judged):
    return TextData(training=Corpus(tuple(training)), validation=Corpus(()), judged=Corpus(tuple(judged)))


def test_documents_that_either_model_has_learned_from_are_not_compared():
    judged = [f"document {number:03d}" for number in range(40)]
    own, others = data(judged[:10], ()), data(judged[10:15], judged)
    seen = []

    def nats(documents):
        seen.extend(bytes(document).decode() for document in documents)
        return np.full(len(documents), 2.0)

    compared = compare_texts(opened(nats), own, opened(nats), others)
    assert set(seen) == set(judged[15:])
    assert compared.n_documents == 25
    assert compared.bits_a_character == pytest.approx(2.0 / math.log(2) / len("document 000"))
    assert (compared.difference, compared.finding) == (0.0, "no difference is shown")

    with pytest.raises(UsageError, match="Only 9 of the 40 documents"):
        compare_texts(opened(nats), data(judged[:31], ()), opened(nats), data((), judged))


def test_the_interval_holds_the_true_difference_nineteen_times_of_twenty():
    rng, held, n_times = np.random.default_rng(7), 0, 2_000
    for _ in range(n_times):
        lengths = rng.integers(20, 200, size=60)
        judged = ["x" * length for length in lengths]  # the loss a character differs by .1 nats, with noise by document
        noise = rng.normal(0.1, 0.15, size=60)
        base = opened(lambda documents, lengths=lengths: 1.0 * lengths)
        own = opened(lambda documents, lengths=lengths, noise=noise: (1.0 + noise) * lengths)
        compared = compare_texts(own, data((), ()), base, data((), judged))
        held += compared.low <= 0.1 / math.log(2) <= compared.high
    assert 0.93 * n_times <= held <= 0.965 * n_times


def test_a_model_of_other_documents_has_forgotten_and_the_command_says_so(tmp_path, capsys):
    base = main(ModelConfig(architecture="ngram", documents=400, seed=1), out=tmp_path / "base", n_written=0)
    words = ["".join(chr(97 + (7 * number + place) % 26) for place in range(9)) for number in range(40)]
    (tmp_path / "own.txt").write_text("\n".join(f"{word} {number}" for number, word in enumerate(words)) + "\n")
    own = ModelConfig(architecture="ngram", corpus=str(tmp_path / "own.txt"))
    main(own, out=tmp_path / "own", n_written=0)

    compared = compare(tmp_path / "own", tmp_path / "base")
    assert compared.n_documents <= base.n_documents
    assert 0 < compared.low < compared.difference < compared.high
    assert compared.finding == "it has forgotten some of what the other has learned"
    assert compare(tmp_path / "base", tmp_path / "base").difference == 0

    call = ["text", "judge", str(tmp_path / "own"), "--written", "0", "--against", str(tmp_path / "base")]
    assert run(call) == 0
    said = capsys.readouterr().out
    assert f"on {compared.n_documents:,} documents that" in said
    assert f"difference {compared.difference:+.4f} (95 % interval" in said
    assert run([*call, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["against"]["n_documents"] == compared.n_documents
