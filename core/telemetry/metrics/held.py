"""What a reader holds in memory: of each name that it is asked for, the recent samples and the labels of its series.

A version or a rollout has a hundred series of its own, and rules look at a few of them. What nobody asks for stays in
the file: in a session of a day with a version every few seconds it would fill more memory than everything else.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from core.telemetry.metrics.packing import SampleTimes, SampleValues, SeriesIds
from core.telemetry.metrics.samples import NAME, RecordedLabels
from core.telemetry.metrics.window import RecentWindow

EVERY_NAME: Final = ""
"""The name under which all series are held, for a selector that is open to several names."""

_BULK = 8
"""From this number of scrapes on, sorting them by series is faster than to append them sample by sample."""
_TURN_MS = 120_000

Scrape = tuple[int, SeriesIds, SampleValues]


class HeldSeries:
    """The windows of the names that are asked for. A series is known for as long as it has samples in one."""

    def __init__(self) -> None:
        """Hold nothing."""
        self.labels: dict[int, RecordedLabels] = {}
        self._by_name: dict[str, set[int]] = {}
        self._windows: dict[str, RecentWindow] = {}
        self._ids: dict[str, SeriesIds] = {}  # by the name of a window: those of its series, ascending
        # Series of other names, in the last minutes: their labels need not be looked up at each scrape.
        self._passed: set[int] = set()
        self._passed_before: set[int] = set()
        self._turned_ms = 0

    def after_ms(self, name: str) -> int | None:
        """Return the time after which a window holds everything; None if there is no such window."""
        return self._windows[name].after_ms if name in self._windows else None

    def oldest_ms(self) -> int | None:
        """Return the earliest of these times; None without a window."""
        return min((window.after_ms for window in self._windows.values()), default=None)

    def between(self, name: str, series: int, from_ms: int, to_ms: int) -> tuple[SampleTimes, SampleValues] | None:
        """Return the samples of a series in (from_ms, to_ms], as far as a window holds them; None if there are none."""
        window = self._windows.get(name)
        return None if window is None else window.between(series, max(from_ms, window.after_ms), to_ms)

    def candidates(self, named: str | None) -> Collection[int]:
        """Return the series of a name; all for None."""
        return self.labels if named is None else self._by_name.get(named, ())

    def add(
        self, name: str, window: RecentWindow, scrapes: Sequence[Scrape], labels: Mapping[int, RecordedLabels]
    ) -> None:
        """Add a window.

        Args:
            name: The name of its series, or `EVERY_NAME`.
            window: Which samples it is to hold; empty.
            scrapes: All that it can hold, in the order of their times.
            labels: Of the series of this name, at least of those that these scrapes have.
        """
        wanted = np.array(sorted(labels), dtype=np.uint32)
        window.add_all([_part(scrape, wanted) for scrape in scrapes])
        self._windows[name] = window
        self._passed, self._passed_before = set(), set()  # some of them may be of this name, and pause just now
        self._know({series: labels[series] for series in window.series()})

    def drop(self, name: str) -> None:
        """Drop a window."""
        if self._windows.pop(name, None) is not None:
            self._forget()

    def take(
        self, scrapes: Sequence[Scrape], labels_of: Callable[[Collection[int]], Mapping[int, RecordedLabels]]
    ) -> bool:
        """Append scrapes to the windows.

        Args:
            scrapes: In the order of their times.
            labels_of: Reads the labels of series that are new.
        Returns:
            Whether there are other series than before.
        """
        if not scrapes or not self._windows:
            return False
        unheld = {series for _, ids, _ in scrapes for series in ids.tolist()} - self.labels.keys()
        unknown = unheld - self._passed - self._passed_before
        found = labels_of(unknown) if unknown else {}
        self._know({series: labels for series, labels in found.items() if self._is_wanted(labels)})
        self._pass_by(unheld - self.labels.keys(), scrapes[-1][0])
        for name, window in self._windows.items():
            parts = [_part(scrape, self._ids[name]) for scrape in scrapes]
            if len(parts) < _BULK:
                for part in parts:
                    window.add(*part)
            else:
                window.add_all(parts)
        return self._forget() or bool(found)

    def _is_wanted(self, labels: RecordedLabels) -> bool:
        return EVERY_NAME in self._windows or name_of(labels) in self._windows

    def _pass_by(self, series: set[int], at_ms: int) -> None:
        """Remember series that nobody asks for, until they have been in no scrape for a few minutes."""
        self._passed |= series
        if abs(at_ms - self._turned_ms) > _TURN_MS:
            self._turned_ms = at_ms
            self._passed, self._passed_before = set(), self._passed

    def _know(self, labels: Mapping[int, RecordedLabels]) -> None:
        for series, found in labels.items():
            self.labels[series] = found
            self._by_name.setdefault(name_of(found), set()).add(series)
        self._number({name_of(found) for found in labels.values()})

    def _forget(self) -> bool:
        """Forget series that have left their window; return whether there were any."""
        held: set[int] = set().union(*(window.series() for window in self._windows.values()))
        gone = self.labels.keys() - held
        names = set()
        for series in gone:
            name = name_of(self.labels.pop(series))
            names.add(name)
            self._by_name[name].discard(series)
            if not self._by_name[name]:
                del self._by_name[name]
        self._number(names)
        return bool(gone)

    def _number(self, changed: Iterable[str]) -> None:
        """Note which series each window takes from a scrape, after those of some names have changed."""
        self._ids = {name: ids for name, ids in self._ids.items() if name in self._windows}
        if EVERY_NAME in self._windows:
            changed = [EVERY_NAME]
        for name in {*changed, *(self._windows.keys() - self._ids.keys())} & self._windows.keys():
            series = self.candidates(None if name == EVERY_NAME else name)
            self._ids[name] = np.array(sorted(series), dtype=np.uint32)


def name_of(labels: RecordedLabels) -> str:
    """Return the name of a series."""
    return dict(labels).get(NAME, "")


def _part(scrape: Scrape, wanted: SeriesIds) -> Scrape:
    """Return what a scrape has of some series; both are in ascending order."""
    at_ms, ids, values = scrape
    if not len(ids) or not len(wanted):
        return at_ms, ids[:0], values[:0]
    places = np.minimum(ids.searchsorted(wanted), len(ids) - 1)
    places = places[ids[places] == wanted]
    return at_ms, ids[places], values[places]
