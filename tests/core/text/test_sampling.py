"""Writing: the same seed writes the same, top-p and temperature do what they say, stops and limits end it."""

import math
from collections import Counter

import numpy as np
import pytest

from core.text.ngrams import NgramModel
from core.text.sampling import SamplingOptions, TextWriter, draw_token, write_text

LOGS = np.log([0.1, 0.5, 0.2, 0.2])


@pytest.fixture(scope="module")
def model(in_tokens, words) -> NgramModel:
    return NgramModel.trained(in_tokens, words.n_tokens, 5)


def shares(options: SamplingOptions) -> dict[int, float]:
    n = 4_000
    drawn = Counter(draw_token(LOGS, options, (place + 0.5) / n) for place in range(n))
    return {token: number / n for token, number in drawn.items()}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {0: 0.1, 1: 0.5, 2: 0.2, 3: 0.2}),
        ({"temperature": 0}, {1: 1.0}),
        ({"temperature": 0.5}, {0: 0.01 / 0.34, 1: 0.25 / 0.34, 2: 0.04 / 0.34, 3: 0.04 / 0.34}),
        ({"top_p": 0.6}, {1: 0.5 / 0.7, 2: 0.2 / 0.7}),
        ({"top_p": 0.5}, {1: 1.0}),
        ({"top_p": 0.01}, {1: 1.0}),
    ],
    ids=str,
)
def test_tokens_are_drawn_by_their_shares(options, expected):
    assert shares(SamplingOptions(**options)) == pytest.approx(expected, abs=1e-3)


def test_the_same_seed_writes_the_same(model, words):
    options = SamplingOptions(seed=3)
    first = [write_text(model, words, options, number=number).text for number in range(3)]
    assert first == [write_text(model, words, options, number=number).text for number in range(3)]
    assert len(set(first)) == 3
    assert write_text(model, words, SamplingOptions(seed=4)).text != first[0]


@pytest.mark.parametrize("stop", [(), (" lots",), ("EUR", "."), ("not there at all",)])
def test_the_pieces_of_a_stream_are_the_text_without_its_stop(model, words, stop):
    for number in range(5):
        writer = TextWriter(model, words, SamplingOptions(seed=1, stop=stop), number=number)
        assert "".join(writer) == writer.written.text
        assert not any(each in writer.written.text for each in stop)


def test_a_prompt_is_gone_on_with_and_not_repeated(model, words):
    written = write_text(model, words, SamplingOptions(temperature=0, max_tokens=40), prompt="Risk note 2025")
    assert written.text.startswith("-")


def test_the_limit_ends_a_text(model, words):
    written = write_text(model, words, SamplingOptions(max_tokens=5))
    assert (written.n_tokens, written.finish) == (5, "length")


def test_the_nats_are_those_of_the_model(model, words):
    written = write_text(model, words, SamplingOptions(seed=2))
    assert written.finish == "end"
    assert written.nats == pytest.approx(float(model.document_nats([words.encode(written.text)])[0]))


class OneByteAtATime:
    """A model that writes one text, byte for byte, and ends."""

    name, n_tokens = "bytes", 257

    def __init__(self, text: str) -> None:
        self.left = [1 + each for each in text.encode("utf-8", "surrogatepass")] + [0]

    def begin(self):
        return self

    def take(self, tokens):
        pass

    def next_log_probabilities(self):
        logs = np.full(257, -math.inf)
        logs[self.left.pop(0)] = 0.0
        return logs


def test_half_a_character_is_replaced_since_no_answer_can_hold_it(words):
    written = write_text(OneByteAtATime("a\ud83db"), words, SamplingOptions())
    assert written.text == "a\ufffdb"


@pytest.mark.parametrize("text", ["aé東😀z", "\ufffd\ufffdab"])
def test_no_piece_cuts_a_character(words, text):
    pieces = list(TextWriter(OneByteAtATime(text), words, SamplingOptions()))
    assert "".join(pieces) == text
    assert len(pieces) == len(text.encode())  # one for each token, so that whoever reads them can stop after any
