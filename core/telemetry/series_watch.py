"""What is known of the metrics of some runs, looked up again and again."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.telemetry.epoch_store import StoredSeries

if TYPE_CHECKING:
    from core.telemetry.reader import TelemetryReader


@dataclass(frozen=True, slots=True)
class SeriesSeen:
    """The metrics of some runs at one look; another generation is another store."""

    generation: Hashable
    by_run: Mapping[str, Mapping[str, StoredSeries]]


class SeriesWatch:
    """Looks up the metrics of runs. Not for two threads at once."""

    def __init__(self, reader: "TelemetryReader") -> None:
        self._reader = reader
        self._newest: dict[str, int | None] = {}
        self._seen = SeriesSeen(None, {})

    def look(self, run_ids: Iterable[str]) -> SeriesSeen:
        """Return the metrics of some runs as they are now.

        Raises:
            TelemetryError: The store cannot be read now.
        """
        epochs, generation = self._reader.of_epochs, self._reader.generation
        wanted = sorted(run_ids)
        newest: dict[str, int | None] = {}
        if not epochs.has_spans and generation == self._seen.generation:
            # Without spans, looking at the series means looking at every value.
            newest = {run_id: epochs.newest(run_id) for run_id in wanted}
        same = {run_id for run_id in newest if newest[run_id] == self._newest.get(run_id, "never")}
        known = self._seen.by_run
        self._seen = SeriesSeen(
            generation,
            {run_id: known[run_id] if run_id in same else epochs.series(run_id) for run_id in wanted},
        )
        self._newest = newest
        return self._seen
