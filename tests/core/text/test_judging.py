"""The judgement: the grammar itself has no excess, a copy is found out, and figures mean what they say."""

import numpy as np
import pytest

from core.text.corpus import Corpus, text_grammar
from core.text.judging import calibration, distinct_share, judge_model, judge_writing, longest_copy
from core.text.ngrams import NgramModel
from core.text.sampling import WrittenText


def ended(*texts: str) -> list[WrittenText]:
    return [WrittenText(text=text, n_tokens=1, finish="end", nats=0.0) for text in texts]


@pytest.fixture(scope="module")
def report(words, in_tokens, training, unseen):
    model = NgramModel.trained(in_tokens, words.n_tokens, 3)
    return judge_model(
        model, words, training=training, judged=unseen, grammar=text_grammar("etrm"), n_written=20, held_out=unseen
    )


def test_the_simple_models_stand_beside_the_model(report):
    assert [score.model for score in report.scores] == ["trigram", "uniform", "unigram", "bigram", "5-gram"]
    assert report.names == ("trigram (this model)", "uniform", "unigram", "bigram", "5-gram")
    for score in report.scores:
        assert score.excess == pytest.approx(score.nats_a_token - report.floor_nats)
        assert score.perplexity == pytest.approx(np.exp(score.nats_a_token))
    assert report.attainment < 0  # a trigram is behind the 5-gram
    assert report.held_out.nats_a_token == pytest.approx(report.scores[0].nats_a_token)
    assert report.notice.startswith("Synthetic")


def test_bits_a_character_do_not_depend_on_the_tokenizer(report, unseen):
    n_characters = sum(map(len, unseen.documents))
    floor_bits = unseen.floor_nats * len(unseen.documents) / np.log(2) / n_characters
    assert all(score.bits_a_character > floor_bits for score in report.scores)


def test_of_ones_own_documents_nobody_knows_the_floor(words, in_tokens, training, unseen):
    own = Corpus(unseen.documents)
    model = NgramModel.trained(in_tokens, words.n_tokens, 2)
    report = judge_model(model, words, training=Corpus(training.documents), judged=own, n_written=0)
    assert (report.floor_nats, report.attainment, report.scores[0].excess, report.writing) == (None,) * 4


def test_what_the_grammar_draws_is_consistent_and_what_was_copied_is_found(words, training, unseen):
    grammar = text_grammar("etrm")
    drawn = judge_writing(ended(*unseen.documents[:50]), words, training, grammar)
    assert drawn.consistent_share == drawn.ended_share == 1.0
    assert drawn.copied_by_chance < 0.05
    copied = judge_writing(ended(*training.documents[:10], "nonsense 5"), words, training, grammar)
    assert copied.copied_share == copied.consistent_share == pytest.approx(10 / 11)
    assert copied.longest_copy == max(len(words.encode(text)) for text in training.documents[:10])


def test_a_text_that_was_cut_is_not_consistent(words, training):
    cut = [WrittenText(text=training.documents[0], n_tokens=1, finish="length", nats=0.0)]
    found = judge_writing(cut, words, training, text_grammar("etrm"))
    assert (found.consistent_share, found.ended_share, found.copied_share) == (0.0, 0.0, 0.0)


def test_the_longest_copy_is_that_of_trying_every_length():
    rng = np.random.default_rng(4)
    for _ in range(30):
        written, seen = (rng.integers(1, 4, size=(3, 8)).tolist() for _ in range(2))
        every = [
            length
            for length in range(1, 9)
            for own in written
            for at in range(9 - length)
            if any(own[at : at + length] == other[to : to + length] for other in seen for to in range(9 - length))
        ]
        assert longest_copy(written, seen) == max(every, default=0)


def test_distinct_phrases_are_counted():
    assert distinct_share([["a"] * 4], 1) == 0.25
    assert distinct_share([["a"]], 2) == 1.0


def test_a_model_of_the_truth_is_calibrated():
    rng = np.random.default_rng(1)
    documents = [[1 + int(rng.random() < 0.3)] for _ in range(3_000)]
    bins = calibration(NgramModel.trained(documents, 4, 2), documents[:1_500])
    assert sum(each.n for each in bins) == 3_000
    assert all(abs(each.said - each.came) < 0.04 for each in bins)
