"""The course of metrics over the epochs of runs, thinned to what a chart can show, and brought up to date by the new.

A run of any length has at most `most` spans a metric, each drawn by its first, lowest, highest and last value. No
extreme and no newest value is lost, and up to twice as many epochs are kept one by one. The width of a span follows
from the first and the newest epoch alone, so that what was read piece by piece equals what is read at once.
"""

from collections.abc import Collection, Hashable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from core.telemetry.epoch_reader import EpochReader, range_of
from core.telemetry.epoch_store import StoredSeries
from core.telemetry.packed import GrowingPoints, Points
from core.telemetry.series_watch import SeriesSeen

if TYPE_CHECKING:
    from core.telemetry.reader import TelemetryReader
from core.telemetry.spans import EpochSpan, bits_for, merged, span_of, start_of

MOST_SPANS = 128
"""More than a pane of a screen can tell apart; four points each."""
_NEAR = 256
"""What is at most so many epochs new is read by itself; otherwise the spans are read anew, which costs less."""

Courses = Mapping[str, Points]
EpochWindow = tuple[int, int]
"""The first and the last epoch that are wanted."""


class Course:
    """The thinned course of one metric: its points, and the span that is still open."""

    def __init__(self, spans: Mapping[int, EpochSpan]) -> None:
        """Begin with spans of one width, by their first epochs."""
        self._closed = GrowingPoints()  # of all spans but the last
        self._last = max(spans, default=-1)
        self._open = spans.get(self._last)
        for start in sorted(spans):
            if start != self._last:
                self._closed.append(spans[start].points())

    def add(self, epoch: int, at_us: int, value: float, bits: int) -> None:
        """Append a value, unless it was read before."""
        if self._open is not None and epoch <= self._open.last_epoch:
            return
        start, span = start_of(epoch, bits), span_of(epoch, at_us, value)
        if self._open is not None and start == self._last:
            span = merged(self._open, span)
        elif self._open is not None:
            self._closed.append(self._open.points())
        self._last, self._open = start, span

    def points(self) -> Points:
        """Return the points to draw, by epoch."""
        return Points(self._closed, self._open.points() if self._open is not None else ())


class RunCourses:
    """The courses of all metrics of one run."""

    def __init__(self, epochs: EpochReader, run_id: str, *, most: int, window: EpochWindow | None) -> None:
        self._epochs, self._run_id, self._most, self._window = epochs, run_id, most, window
        self._bits = -1
        self._known: dict[str, StoredSeries] = {}
        self._courses: dict[str, Course] = {}
        self._points: dict[str, Points] = {}
        self.shown: Courses = MappingProxyType({})
        """The points of each metric; the same object while nothing is new."""

    def follow(self, series: Mapping[str, StoredSeries]) -> None:
        """Read what is new, as the series of the run say."""
        if series == self._known:
            return
        reach = self._reach(series)
        bits = bits_for(*reach, self._most)
        if bits != self._bits or not series.keys() >= self._known.keys():
            self._known.clear()  # wider spans, which the store has; or another run under the same name
            self._courses.clear()
            self._points.clear()
        self._bits = bits
        grown = {name for name, now in series.items() if now != self._known.get(name)}
        near = {name for name in grown if _is_appended(self._known.get(name), series[name])}
        if anew := grown - near:
            self._read_anew(anew, reach)
        if near:
            self._append(near, reach)
        for name in self._courses.keys() - self._points.keys() | grown & self._courses.keys():
            self._points[name] = self._courses[name].points()
        self._known = dict(series)
        self.shown = MappingProxyType({name: self._points[name] for name in sorted(self._points)})

    def _reach(self, series: Mapping[str, StoredSeries]) -> EpochWindow:
        return _within(range_of(series.values()) or (0, 0), self._window)

    def _read_anew(self, names: Collection[str], reach: EpochWindow) -> None:
        first, last = reach
        found = self._epochs.spans(self._run_id, self._bits, first=first, last=last, names=names)
        for name in names:
            self._courses.pop(name, None)
            self._points.pop(name, None)
        self._courses.update({name: Course(spans) for name, spans in found.items()})

    def _append(self, names: Collection[str], reach: EpochWindow) -> None:
        since = min(self._known[name].newest_epoch for name in names) + 1
        last = start_of(reach[1], self._bits) + (1 << self._bits) - 1
        for epoch, name, at_us, value in self._epochs.values(self._run_id, max(since, reach[0])):
            if name in names and epoch > self._known[name].newest_epoch and (self._window is None or epoch <= last):
                self._courses.setdefault(name, Course({})).add(epoch, at_us, value, self._bits)


def _within(reach: EpochWindow, window: EpochWindow | None) -> EpochWindow:
    """Return the part of the epochs of a run that lies in a window."""
    if window is None:
        return reach
    first, last = max(reach[0], window[0]), min(reach[1], window[1])
    return first, max(first, last)


def _is_appended(known: StoredSeries | None, now: StoredSeries) -> bool:
    """Say whether a series has only grown, and by little."""
    return (
        known is not None
        and known.revision == now.revision
        and known.n <= now.n
        and known.newest_epoch <= now.newest_epoch <= known.newest_epoch + _NEAR
    )


class EpochCourses:
    """The courses of some runs, kept up to date. Not for two threads at once."""

    def __init__(self, epochs: EpochReader, *, most: int = MOST_SPANS, window: EpochWindow | None = None) -> None:
        """Read nothing yet.

        Args:
            epochs: Reads the store.
            most: The largest number of spans of a metric.
            window: The epochs that are wanted; by default all, also those to come.
        """
        self._epochs, self._most, self._window = epochs, most, window
        self._generation: Hashable = None
        self._runs: dict[str, RunCourses] = {}

    def follow(self, seen: SeriesSeen) -> Mapping[str, Courses]:
        """Return the courses of the runs that were seen; other runs are forgotten.

        Raises:
            TelemetryError: The store cannot be read now.
        """
        if seen.generation != self._generation:
            self._runs.clear()
            self._generation = seen.generation
        self._runs = {run_id: self._run(run_id) for run_id in seen.by_run}
        for run_id, series in seen.by_run.items():
            self._runs[run_id].follow(series)
        return MappingProxyType({run_id: run.shown for run_id, run in self._runs.items()})

    def _run(self, run_id: str) -> RunCourses:
        return self._runs.get(run_id) or RunCourses(self._epochs, run_id, most=self._most, window=self._window)


def courses_now(reader: "TelemetryReader", run_id: str, *, most: int, window: EpochWindow | None = None) -> Courses:
    """Return the courses of a run as they are now, for a caller that asks once.

    Args:
        reader: Reads the store.
        run_id: The run.
        most: The largest number of spans of a metric.
        window: The epochs that are wanted; by default all.
    """
    run = RunCourses(reader.of_epochs, run_id, most=most, window=window)
    run.follow(reader.of_epochs.series(run_id))
    return run.shown


def courses_as_of(
    epochs: EpochReader, run_id: str, until_us: int, *, most: int = MOST_SPANS, window: EpochWindow | None = None
) -> Courses:
    """Return the courses of a run at an instant, without what came after it.

    Args:
        epochs: Reads the store.
        run_id: The run.
        until_us: The instant.
        most: The largest number of spans of a metric.
        window: The epochs that are wanted; by default all.
    """
    reach = range_of(epochs.series(run_id).values())
    if reach is None:
        return MappingProxyType({})
    first, last = _within(reach, window)
    bits = bits_for(first, last, most)
    spans = epochs.spans(run_id, bits, first=first, last=last, until_us=until_us)
    ended = max((span.last_epoch for one in spans.values() for span in one.values()), default=first)
    if bits_for(first, ended, most) < bits:
        spans = epochs.spans(run_id, bits_for(first, ended, most), first=first, last=ended, until_us=until_us)
    return MappingProxyType({name: Course(one).points() for name, one in sorted(spans.items())})
