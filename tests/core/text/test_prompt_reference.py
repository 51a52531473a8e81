"""What prompts are compared with: beginnings of held-out documents, each by those of its own length."""

import numpy as np
import pytest

from core.models.errors import ArtifactError
from core.settings.text_model import TextModelSettings
from core.text.corpus import draw_corpus
from core.text.model_folder import ModelFolder
from core.text.prompt_reference import (
    LEAST_DOCUMENTS,
    LENGTHS,
    make_prompt_reference,
    prompt_nats,
    read_prompt_reference,
    spell_prompt_reference,
    whole_words,
)
from core.text.traffic import TextGauge
from core.text.training import train_text_model
from core.text.version import open_text_version, write_text_version


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text") / "model"
    train_text_model(TextModelSettings(architecture="ngram", documents=300, judged_documents=20), folder)
    return ModelFolder(folder).load()


@pytest.fixture(scope="module")
def reference(opened):
    return make_prompt_reference(opened.model, opened.tokenizer, draw_corpus("etrm", 120, seed=7).documents)


@pytest.fixture(scope="module")
def gauge(opened, reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("version")
    write_text_version(opened, folder, reference)
    return TextGauge(open_text_version(folder))


def test_nats_of_a_beginning_are_those_of_its_tokens_one_by_one(opened):
    tokens = opened.tokenizer.encode("Risk note 2025-06-12: VaR 99")
    going, nats = opened.model.begin(), 0.0
    for token in tokens:
        nats -= float(going.next_log_probabilities()[token])
        going.take([token])
    assert prompt_nats(opened.model, tokens) == pytest.approx(nats)
    assert prompt_nats(opened.model, []) == 0.0


@pytest.mark.parametrize(
    ("least", "most", "more"), [(1, 400, ""), (8, 12, ""), (8, 24, ""), (20, 24, ""), (8, 60, " "), (40, 80, "\n")]
)
def test_beginnings_of_other_documents_rank_evenly_wherever_they_are_cut(gauge, least, most, more):
    random, ranks = np.random.default_rng(3), list[float]()
    for text in draw_corpus("etrm", 600, seed=8).documents:
        prompt = text[: int(random.integers(least, min(most, len(text) - 1)))]
        if more:  # whole words, and what a person types behind them
            prompt = prompt.rpartition(" ")[0] + more
        if (rank := gauge.weigh(prompt).rank) is not None:
            ranks.append(rank)
    assert len(ranks) > 100
    # By chance: .0118 of 600 ranks, and .026 of the 120 documents that they are compared with.
    assert np.mean(ranks) == pytest.approx(0.5, abs=0.1)


def test_words_that_have_ended_have_the_tokens_that_documents_begin_with(opened):
    random = np.random.default_rng(4)
    for text in draw_corpus("etrm", 200, seed=8).documents:
        whole = whole_words(text[: int(random.integers(1, len(text)))])
        tokens = opened.tokenizer.encode(whole)
        assert opened.tokenizer.encode(text)[: len(tokens)] == tokens


def test_prompts_that_no_document_begins_with_rank_high_and_long_ones_are_told(gauge, reference):
    for prompt in ("Write me a poem about the sea", "zz qq", "SELECT * FROM trades", "Bonjour, comment allez-vous"):
        assert gauge.weigh(prompt).rank > 0.9, prompt
    assert not gauge.weigh("Risk note").is_long
    assert gauge.weigh("Risk note " * 60).is_long
    assert {gauge.weigh(prompt).rank for prompt in ("", "Risk", " ")} == {None}
    assert reference.longest < 300


def test_a_corpus_of_few_documents_and_a_version_without_reference_rank_nothing(opened, tmp_path):
    documents = draw_corpus("etrm", LEAST_DOCUMENTS - 1, seed=7).documents
    assert make_prompt_reference(opened.model, opened.tokenizer, documents) is None
    write_text_version(opened, tmp_path)
    assert TextGauge(open_text_version(tmp_path)).weigh("Risk note").rank is None


def test_a_reference_is_read_as_it_was_written_and_anything_else_is_refused(reference):
    content = spell_prompt_reference(reference)
    assert read_prompt_reference(content, "prompts.json") == reference
    assert len(reference.nats) <= len(LENGTHS)
    for damaged in (b"{", b"[]", b'{"n_documents": 1, "longest": 1, "nats": []}', content.replace(b"[", b"[[", 1)):
        with pytest.raises(ArtifactError, match=r"prompts.json holds no reference of prompts"):
            read_prompt_reference(damaged, "prompts.json")
