"""A page of the epochs of a run: what a table shows around its cursor, brought up to date by what is new."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from core.telemetry.epoch_reader import EpochReader, EpochRow, range_of
from core.telemetry.epoch_store import StoredSeries
from core.telemetry.series_watch import SeriesSeen

PAGE_EPOCHS = 512
"""How many epochs a page has: more than any screen has lines, so that the cursor moves long before it needs another."""
_QUARTER = PAGE_EPOCHS // 4


@dataclass(frozen=True, slots=True)
class EpochPage:
    """Some adjacent epochs of a run.

    Attributes:
        first: The first epoch of the run.
        newest: The newest epoch of the run.
        n_recorded: How many epochs of the run are recorded.
        start: The first epoch of the page.
        end: The last epoch of the page.
        rows: The metrics of each recorded epoch of the page, the oldest first.
    """

    first: int
    newest: int
    n_recorded: int
    start: int
    end: int
    rows: Mapping[int, EpochRow]

    @property
    def is_whole(self) -> bool:
        """Whether the page has every epoch of the run."""
        return self.start <= self.first and self.newest <= self.end


NO_EPOCHS = EpochPage(0, -1, 0, 0, -1, MappingProxyType({}))


class RunPage:
    """The page of one run that is looked at."""

    def __init__(self, epochs: EpochReader, run_id: str) -> None:
        self._epochs, self._run_id = epochs, run_id
        self._known: Mapping[str, StoredSeries] = {}
        self.shown = NO_EPOCHS
        """The page; the same object while nothing is new."""

    def follow(self, series: Mapping[str, StoredSeries], around: int | None) -> None:
        """Read what is new on the page.

        Args:
            series: The metrics of the run, as they are now.
            around: An epoch that the page shall have; by default the newest.
        """
        reach = range_of(series.values())
        if reach is None:
            self._known, self.shown = {}, NO_EPOCHS
            return
        start, end = page_range(*reach, around)
        old = self.shown
        if series == self._known and (start, end) == (old.start, old.end):
            return
        since = self._unchanged_until(series, start) if old.start <= start <= old.end + 1 else start
        rows: dict[int, EpochRow] = {epoch: row for epoch, row in old.rows.items() if start <= epoch < since}
        rows.update(self._epochs.rows(self._run_id, since, end))
        self._known = series
        self.shown = EpochPage(*reach, _count(series), start, end, MappingProxyType(rows))

    def _unchanged_until(self, series: Mapping[str, StoredSeries], start: int) -> int:
        """Return the epoch up to which the rows of the old page stay."""
        until = self.shown.end + 1
        for name, now in series.items():
            known = self._known.get(name)
            if known is None or known.revision != now.revision or known.n > now.n:
                return start
            if known != now:
                until = min(until, known.newest_epoch + 1)
        return max(start, until) if series.keys() >= self._known.keys() else start


class EpochPages:
    """The pages of some runs, kept up to date. Not for two threads at once."""

    def __init__(self, epochs: EpochReader) -> None:
        self._epochs = epochs
        self._generation: Hashable = None
        self._runs: dict[str, RunPage] = {}

    def follow(self, seen: SeriesSeen, around: Mapping[str, int]) -> Mapping[str, EpochPage]:
        """Return the pages of the runs that were seen; other runs are forgotten.

        Args:
            seen: The runs.
            around: By run, an epoch that its page shall have; by default the newest.

        Raises:
            TelemetryError: The store cannot be read now.
        """
        if seen.generation != self._generation:
            self._runs.clear()
            self._generation = seen.generation
        self._runs = {run_id: self._runs.get(run_id) or RunPage(self._epochs, run_id) for run_id in seen.by_run}
        for run_id, series in seen.by_run.items():
            self._runs[run_id].follow(series, around.get(run_id))
        return MappingProxyType({run_id: run.shown for run_id, run in self._runs.items()})


def page_range(first: int, newest: int, around: int | None) -> tuple[int, int]:
    """Return the first and the last epoch of a page.

    A page that is not the newest begins at a multiple of a quarter of its size, with the epoch in its second quarter:
    a cursor that goes on does not read each time.

    >>> page_range(1, 300, None), page_range(1, 2000, None), page_range(1, 2000, 700), page_range(1, 2000, 3)
    ((1, 300), (1489, 2000), (512, 1023), (1, 512))
    """
    if newest - first < PAGE_EPOCHS:
        return first, newest
    start = newest - PAGE_EPOCHS + 1
    if around is not None and around < start + _QUARTER:
        start = max(first, min(start, around // _QUARTER * _QUARTER - _QUARTER))
    return start, start + PAGE_EPOCHS - 1


def page_as_of(
    epochs: EpochReader, run_id: str, until_us: int, newest: int | None, around: int | None = None
) -> EpochPage:
    """Return a page of a run at an instant.

    Args:
        epochs: Reads the store.
        run_id: The run.
        until_us: The instant.
        newest: The newest epoch at that instant; None if there was none.
        around: An epoch that the page shall have; by default the newest.
    """
    series = epochs.series(run_id)
    reach = range_of(series.values())
    if reach is None or newest is None:
        return NO_EPOCHS
    start, end = page_range(reach[0], newest, around)
    n_recorded = min(_count(series), newest - reach[0] + 1)
    return EpochPage(
        reach[0], newest, n_recorded, start, end, MappingProxyType(epochs.rows(run_id, start, end, until_us=until_us))
    )


def _count(series: Mapping[str, StoredSeries]) -> int:
    return max((one.n for one in series.values()), default=0)
