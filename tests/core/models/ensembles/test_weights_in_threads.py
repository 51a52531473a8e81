"""Weights that are re-balanced while others answer with them: every answer is of the whole weights of one moment.

Threads take turns between any two instructions of the interpreter. So a reader looks between any two instructions of a
writer, and a writer moves the weights between any two instructions of a reader; controls that read or write the weights
piece by piece are caught by the same looks.
"""

import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from types import FrameType
from typing import Any

import numpy as np
import pytest

from core.models.learners.combination import WeightedMean

NAMES = ("linear", "lightgbm", "random_forest")
ROWS = np.random.default_rng(0).normal(size=(6, len(NAMES)))
UNIT = np.eye(len(NAMES))
"""Rows whose weighted mean is the weight of one member each."""


def between_instructions(work: Callable[[], Any], look: Callable[[], None]) -> Any:
    """Do some work of this package, and look between any two of its instructions."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if "/core/models/" not in frame.f_code.co_filename and __file__ != frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            look()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return work()
    finally:
        sys.settrace(before)


class Weighed(WeightedMean):
    """A weighted mean that lists all weights it has ever had."""

    def __init__(self) -> None:
        super().__init__(NAMES, "regression")
        self.had = [self.weights.tolist()]
        self._n_moves = 0

    def move(self) -> None:
        """Follow outcomes that favour another member each time."""
        self._n_moves += 1
        target = ROWS[:, self._n_moves % len(NAMES)]
        self.had.append(self.follow(ROWS, target).weights.tolist())

    def is_whole(self, weights: list[float]) -> bool:
        return weights in self.had


class MovedInPlace(Weighed):
    """The control of writers: the weights change one after the other."""

    def follow(self, scores, target):
        if not hasattr(self, "own"):
            self.own = self.weights.copy()
        found = super().follow(scores, target)
        for place, weight in enumerate(found.weights):
            self.own[place] = weight
        return found

    def score(self, scores):
        return scores @ getattr(self, "own", self.weights)


class ReadTwice(Weighed):
    """The control of readers: each member's weight is looked up by itself."""

    def score(self, scores):
        total = self.weights[0] * scores[:, 0]
        for place in range(1, len(NAMES)):
            total = total + self.weights[place] * scores[:, place]
        return total


def torn_beside_a_writer(mean: Weighed) -> list[list[float]]:
    """Return the answers between two instructions of a writer that are of no weights before or after its move."""
    seen: list[list[float]] = []
    mean.move()
    for _ in range(3):
        between_instructions(mean.move, lambda: seen.append(mean.score(UNIT).tolist()))
    return [weights for weights in seen if not mean.is_whole(weights)]


def torn_of_a_reader(mean: Weighed) -> list[list[float]]:
    """Return the answers of a reader, the weights moving under it, that are of no weights there ever were."""
    mean.move()
    found = between_instructions(lambda: mean.score(UNIT), mean.move).tolist()
    return [] if mean.is_whole(found) else [found]


def test_a_reader_between_any_two_instructions_of_a_writer_answers_with_whole_weights():
    mean = Weighed()

    assert torn_beside_a_writer(mean) == []
    assert all(one != other for one, other in pairwise(mean.had)), "every move changes the weights"
    assert all(min(weights) >= 0.0 and sum(weights) == pytest.approx(1.0) for weights in mean.had)


def test_weights_that_move_between_any_two_instructions_of_a_reader_leave_its_answer_whole():
    mean = Weighed()

    assert torn_of_a_reader(mean) == []
    assert len(mean.had) > 10


def test_the_same_looks_catch_weights_that_are_written_or_read_piece_by_piece():
    torn = torn_beside_a_writer(MovedInPlace())

    assert any(sum(weights) != pytest.approx(1.0, abs=1e-6) for weights in torn), "off the simplex"
    assert torn_of_a_reader(ReadTwice()) != []


def test_threads_that_answer_while_the_weights_move_see_whole_weights():
    mean, ended = Weighed(), threading.Event()
    seen: list[list[list[float]]] = [[] for _ in range(3)]

    def answer(place: int) -> None:
        while not ended.is_set():
            weights = mean.score(UNIT).tolist()
            if not seen[place] or seen[place][-1] != weights:
                seen[place].append(weights)

    readers = [threading.Thread(target=answer, args=(place,)) for place in range(len(seen))]
    for reader in readers:
        reader.start()
    for _ in range(200):
        mean.move()
    ended.set()
    for reader in readers:
        reader.join()

    assert all(mean.is_whole(weights) for of_reader in seen for weights in of_reader)


def test_nobody_writes_into_the_weights_that_others_answer_with():
    mean = Weighed()
    mean.move()

    with pytest.raises(ValueError, match="read-only"):
        mean.weights[0] = 0.5
