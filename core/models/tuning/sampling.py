"""Which parameters are tried: all of a grid, or random ones. Each sampler gives the same trials for the same seed."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from core.models.tuning.ranges import ParameterValues, SearchRanges, drawn
from core.models.tuning.trial import Trial
from core.seeds import derive_seed


class TrialSampler(Protocol):
    """Proposes parameters."""

    @property
    def n_most(self) -> int | None:
        """How many different trials there are; None if their number has no limit."""

    def ask(self, first: int, n: int, earlier: Sequence[Trial]) -> list[ParameterValues]:
        """Propose the parameters of a batch.

        Args:
            first: The number of its first trial, from 1.
            n: How many.
            earlier: Every trial before the batch, trial 0 included.
        """


class ListSampler:
    """The points of a list, each once: in their order, or in a random one."""

    def __init__(self, points: Sequence[ParameterValues], *, is_shuffled: bool, seed: int) -> None:
        self._points = points
        rng = np.random.default_rng(seed)
        self._order: list[int] = (rng.permutation(len(points)) if is_shuffled else np.arange(len(points))).tolist()

    @property
    def n_most(self) -> int | None:
        """The length of the list."""
        return len(self._points)

    def ask(self, first: int, n: int, earlier: Sequence[Trial]) -> list[ParameterValues]:
        """Return the next points."""
        return [dict(self._points[self._order[k]]) for k in range(first - 1, min(first - 1 + n, len(self._points)))]


class RandomSampler:
    """Independent draws; the draw of a trial depends on its number alone."""

    n_most = None

    def __init__(self, ranges: SearchRanges, *, seed: int) -> None:
        self._ranges = ranges
        self._seed = seed

    def ask(self, first: int, n: int, earlier: Sequence[Trial]) -> list[ParameterValues]:
        """Draw the parameters of a batch."""
        seeds = (derive_seed(self._seed, "trial", number) for number in range(first, first + n))
        return [drawn(self._ranges, np.random.default_rng(seed)) for seed in seeds]
