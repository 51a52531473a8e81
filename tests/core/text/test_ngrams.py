"""Models of n-grams add up to 1 after any context, weigh documents as the formula says, and are stored as arrays."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from core.text.language_model import n_predicted
from core.text.ngrams import NgramFileError, NgramModel

N = 5
SMALL = [[1, 2, 1, 2, 3], [1, 2, 3], [], [4, 4, 4, 1], [2]]
TOKENS = st.lists(st.integers(1, N - 1), max_size=7)


def by_hand(documents: list[list[int]], order: int, context: list[int], token: int) -> float:
    """Return Witten and Bell's probability from counts in dictionaries."""
    follows: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for document in documents:
        padded = [0] * (order - 1) + document + [0]
        for place in range(order - 1, len(padded)):
            for length in range(order):
                follows[tuple(padded[place - length : place])][padded[place]] += 1
    found = 1 / N
    for length in range(order):
        seen = follows.get(tuple(context[len(context) - length :]))
        if seen is None:
            break
        found = (seen[token] + len(seen) * found) / (seen.total() + len(seen))
    return found


@pytest.mark.parametrize("order", range(6))
@given(context=TOKENS)
def test_it_adds_up_to_one_after_any_context(order, context):
    model = NgramModel.trained(SMALL, N, order)
    going = model.begin()
    going.take(context)
    assert math.fsum(np.exp(going.next_log_probabilities())) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("order", range(1, 6))
@given(documents=st.lists(TOKENS, min_size=1, max_size=6), judged=TOKENS)
def test_every_probability_is_that_of_the_formula(order, documents, judged):
    model = NgramModel.trained(documents, N, order)
    going, nats = model.begin(), 0.0
    context = [0] * (order - 1)
    for token in [*judged, 0]:
        probability = by_hand(documents, order, context, token)
        assert math.exp(going.next_log_probabilities()[token]) == pytest.approx(probability, rel=1e-12)
        nats -= math.log(probability)
        going.take([token])
        context = [*context, token][1:] if order > 1 else []
    assert model.document_nats([judged])[0] == pytest.approx(nats, rel=1e-12)


def test_the_probabilities_of_all_short_documents_and_of_longer_ones_add_up_to_one():
    model = NgramModel.trained(SMALL, N, 3)
    short = [[]] + [[a] for a in range(1, N)] + [[a, b] for a in range(1, N) for b in range(1, N)]
    ended = math.fsum(np.exp(-model.document_nats(short)))
    going_on = 0.0
    for document in short[-((N - 1) ** 2) :]:
        prefix = float(np.exp(-model.document_nats([document]))[0])
        going = model.begin()
        going.take(document)
        end = float(np.exp(going.next_log_probabilities()[0]))
        going_on += prefix / end * (1 - end)
    assert ended + going_on == pytest.approx(1.0, abs=1e-12)


def test_each_order_is_closer_to_the_floor_and_none_below_it(words, in_tokens, unseen, unseen_in_tokens):
    model = NgramModel.trained(in_tokens, words.n_tokens, 5)
    n = n_predicted(unseen_in_tokens)
    floor = unseen.floor_nats * len(unseen.documents) / n
    losses = [model.shorter(order).document_nats(unseen_in_tokens).sum() / n for order in range(6)]
    assert losses[0] == pytest.approx(math.log(words.n_tokens))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] > floor
    assert [model.shorter(order).name for order in (0, 1, 2, 5)] == ["uniform", "unigram", "bigram", "5-gram"]


def test_a_shorter_model_is_that_trained_with_the_lower_order():
    for order in range(4):
        own = NgramModel.trained(SMALL, N, order).document_nats(SMALL)
        assert NgramModel.trained(SMALL, N, 4).shorter(order).document_nats(SMALL) == pytest.approx(own)


def test_a_stored_model_is_the_same():
    model = NgramModel.trained(SMALL, N, 4)
    content = model.to_bytes()
    read = NgramModel.from_bytes(content, "model")
    assert (read.order, read.n_tokens, read.to_bytes()) == (4, N, content)
    assert read.document_nats(SMALL).tolist() == model.document_nats(SMALL).tolist()


@pytest.mark.parametrize("damage", ["empty", "text", "pickle", "shape", "arrays"])
def test_a_file_that_holds_no_model_is_refused(damage, tmp_path):
    path = tmp_path / "m.npz"
    match damage:
        case "pickle":
            np.savez(path, shape=np.array([object()]))
        case "shape":
            np.savez(path, shape=np.array([2, 5]))
        case "arrays":
            level = {f"{name}_0": np.array([3, 2, 1]) for name in ("keys", "counts", "totals", "types")}
            np.savez(path, shape=np.array([1, 5]), **level)
        case _:
            path.write_bytes(b"" if damage == "empty" else b"hello")
    with pytest.raises(NgramFileError, match="holds no n-gram model"):
        NgramModel.from_bytes(path.read_bytes(), path)


@pytest.mark.parametrize("order", [-1, 9])
def test_an_order_that_cannot_be_is_refused(order):
    with pytest.raises(UsageError, match="from 0 to 8"):
        NgramModel.trained(SMALL, N, order)
