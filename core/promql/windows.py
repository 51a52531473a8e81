"""The samples of range vectors, laid end to end so that numpy sees all windows at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from core.arrays import ArrayOf
from core.promql.budget import EvaluationBudget
from core.promql.errors import PromqlError
from core.promql.series import SeriesLabels, SeriesSamples, stale_samples
from core.promql.vectors import Floats, Presence, Times

OfWindow = TypeVar("OfWindow", np.float64, np.int64)
MAXIMUM_SAMPLES_AT_ONCE = 1_000_000
_LARGEST_KEY = int(np.iinfo(np.int64).max)


class FlatSeries:
    """Many series end to end. A sample's key is its series' number times the span, plus its time: ascending."""

    def __init__(self, series: Sequence[SeriesSamples]) -> None:
        """Lay series end to end."""
        self.labels: list[SeriesLabels] = [one.labels for one in series]
        self.at_ms: Times = np.concatenate([one.at_ms for one in series]).astype(np.int64, copy=False)
        self.values: Floats = np.concatenate([one.values for one in series]).astype(np.float64, copy=False)
        self._number = np.repeat(np.arange(len(series)), [one.at_ms.size for one in series])
        self._index()

    def _index(self) -> None:
        self._first = int(self.at_ms.min()) if self.at_ms.size else 0
        self._span = (int(self.at_ms.max()) - self._first if self.at_ms.size else 0) + 2
        if self._span * len(self.labels) > _LARGEST_KEY:
            raise PromqlError(f"The range is too long for {len(self.labels):,} series: make it shorter.")
        self._keys = self._number * self._span + (self.at_ms - self._first + 1)

    def without_stale(self) -> "FlatSeries":
        """Drop the samples that only mark the end of a series."""
        stale = stale_samples(self.values)
        if stale.any():
            kept = ~stale
            self.at_ms, self.values, self._number = self.at_ms[kept], self.values[kept], self._number[kept]
            self._index()
        return self

    def is_stale(self, at: Times) -> Presence:
        """Return which of these samples only mark the end of their series."""
        return stale_samples(self.values[at])

    def up_to(self, times: Times) -> Times:
        """Return how many samples, of all series before and of this one up to each time: shape (n, n_times)."""
        relative = np.clip(times - self._first + 1, 0, self._span - 1)
        bases = np.arange(len(self.labels), dtype=np.int64)[:, None] * self._span
        return np.searchsorted(self._keys, bases + relative[None, :], side="right").astype(np.int64, copy=False)


@dataclass(slots=True)
class Windows:
    """The windows that hold samples, of all series and steps, end to end.

    Attributes:
        at_ms, values: Their samples, shape (n_samples,).
        starts, counts: Where each window begins, and how many samples it has, shape (n_windows,).
        ends_ms: The end of each window's range, shape (n_windows,).
        step_ms: The step of the evaluation, from which `predict_linear` looks ahead, shape (n_windows,).
        steps: The number of that step, shape (n_windows,).
        range_ms: Their length.
    """

    at_ms: Times
    values: Floats
    starts: Times
    counts: Times
    ends_ms: Times
    step_ms: Times
    steps: Times
    range_ms: int

    @property
    def first(self) -> Floats:
        """The first value of each window."""
        return self.values[self.starts]

    @property
    def last(self) -> Floats:
        """The last value of each window."""
        last: Floats = self.values[self.starts + self.counts - 1]
        return last

    def per_sample(self, of_window: ArrayOf[OfWindow]) -> ArrayOf[OfWindow]:
        """Repeat what each window has for each of its samples."""
        repeated: ArrayOf[OfWindow] = np.repeat(of_window, self.counts)
        return repeated

    def sums(self, values: Floats) -> Floats:
        """Add up per window."""
        sums: Floats = np.add.reduceat(values, self.starts)
        return sums

    def follows(self) -> tuple[Floats, Presence]:
        """Return each sample's predecessor, and whether it has one in its window."""
        before: Floats = np.empty_like(self.values)
        before[1:] = self.values[:-1]
        has_one = np.ones(self.values.size, dtype=bool)
        has_one[self.starts] = False
        return before, has_one


def joined(parts: Sequence[SeriesSamples]) -> SeriesSamples:
    """Join parts of one series, the earliest first."""
    if len(parts) == 1:
        return parts[0]
    at_ms, values = np.concatenate([one.at_ms for one in parts]), np.concatenate([one.values for one in parts])
    return SeriesSamples(parts[0].labels, at_ms, values)


def windows_of(
    flat: FlatSeries,
    ends_ms: Times,
    steps_ms: Times,
    range_ms: int,
    take: Callable[[Windows], tuple[Floats, Presence | None]],
    *,
    budget: EvaluationBudget,
    n_instants: int,
) -> tuple[Floats, Presence]:
    """Apply a function to the windows (end - range, end] of all series.

    Args:
        flat: The series.
        ends_ms: The end of the window at each step, shape (n_steps,).
        steps_ms: The steps, shape (n_steps,).
        range_ms: The length of the windows.
        take: What returns a value per window, and which windows have one (None: all).
        budget: What is left to the evaluation.
        n_instants: How many instants the whole query asks for.
    Returns:
        Values and presence, shape (n_series, n_steps).

    Raises:
        PromqlError: The windows hold too many samples, or the time is over.
    """
    n_series, n_steps = len(flat.labels), ends_ms.size
    budget.hold(n_series * n_steps)
    values, present = np.zeros(n_series * n_steps), np.zeros(n_series * n_steps, dtype=bool)
    low = flat.up_to(ends_ms - range_ms).ravel()
    counts = flat.up_to(ends_ms).ravel() - low
    budget.look_at(int(counts.sum()), n_instants)
    filled = np.flatnonzero(counts)
    for there in _portions(filled, counts[filled]):
        budget.check()
        counts_there, lows = counts[there], low[there]
        ends_of = np.cumsum(counts_there)
        starts = ends_of - counts_there
        picked = np.arange(int(ends_of[-1])) + np.repeat(lows - starts, counts_there)
        steps = there % n_steps
        found, is_given = take(
            Windows(
                flat.at_ms[picked],
                flat.values[picked],
                starts,
                counts_there,
                ends_ms[steps],
                steps_ms[steps],
                steps,
                range_ms,
            )
        )
        values[there] = found
        present[there] = True if is_given is None else is_given
    return values.reshape(n_series, n_steps), present.reshape(n_series, n_steps)


def _portions(filled: Times, counts: Times) -> Iterator[Times]:
    """Part the windows that hold samples so that not too many samples are laid out at once."""
    ends = np.cumsum(counts)
    begin, n_before = 0, 0
    while begin < filled.size:
        end = int(np.searchsorted(ends, n_before + MAXIMUM_SAMPLES_AT_ONCE, side="right"))
        end = max(end, begin + 1)  # a single window is never parted
        yield filled[begin:end]
        begin, n_before = end, int(ends[end - 1])
