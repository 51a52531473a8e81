"""The samples of range vectors, laid end to end so that numpy sees all windows at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from core.arrays import ArrayOf
from core.promql.series import SeriesLabels, SeriesSamples, stale_samples
from core.promql.vectors import Floats, Presence, Times

OfWindow = TypeVar("OfWindow", np.float64, np.int64)
MAXIMUM_SAMPLES_AT_ONCE = 4_000_000


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


def windows_of(
    flat: FlatSeries,
    ends_ms: Times,
    steps_ms: Times,
    range_ms: int,
    take: Callable[[Windows], tuple[Floats, Presence | None]],
) -> tuple[Floats, Presence]:
    """Apply a function to the windows (end - range, end] of all series.

    Args:
        flat: The series.
        ends_ms: The end of the window at each step, shape (n_steps,).
        steps_ms: The steps, shape (n_steps,).
        range_ms: The length of the windows.
        take: What returns a value per window, and which windows have one (None: all).
    Returns:
        Values and presence, shape (n_series, n_steps).
    """
    n_series, n_steps = len(flat.labels), ends_ms.size
    values, present = np.zeros((n_series, n_steps)), np.zeros((n_series, n_steps), dtype=bool)
    low, high = flat.up_to(ends_ms - range_ms), flat.up_to(ends_ms)
    for begin, end in _portions(high - low):
        counts = (high - low)[:, begin:end]
        filled = counts > 0
        if not filled.any():
            continue
        counts_there, lows = counts[filled], low[:, begin:end][filled]
        ends_of = np.cumsum(counts_there)
        starts = ends_of - counts_there
        picked = np.arange(int(ends_of[-1])) + np.repeat(lows - starts, counts_there)
        steps = np.nonzero(filled)[1] + begin
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
        values[:, begin:end][filled] = found
        present[:, begin:end][filled] = True if is_given is None else is_given
    return values, present


def _portions(counts: Times) -> Iterator[tuple[int, int]]:
    """Part the steps so that not too many samples are laid out at once."""
    per_step = counts.sum(axis=0)
    if int(per_step.sum()) <= MAXIMUM_SAMPLES_AT_ONCE:
        yield 0, per_step.size
        return
    begin, n_samples = 0, 0
    for step, n in enumerate(per_step.tolist()):
        if n_samples and n_samples + n > MAXIMUM_SAMPLES_AT_ONCE:
            yield begin, step
            begin, n_samples = step, 0
        n_samples += n
    yield begin, per_step.size
