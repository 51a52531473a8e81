"""The recorded series of a workspace as a source of expressions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from core.clock import Clock, utc_now
from core.promql import Matcher, PromqlError, SeriesSamples, SeriesSource

if TYPE_CHECKING:
    from core.state import Workspace


MAX_SAMPLES: Final = 5_000_000
"""The most samples that an expression of a person may read: about a second of work."""


class BoundedSource:
    """A source that refuses to be read without end: for expressions that a person has just typed."""

    def __init__(self, inner: SeriesSource, most: int = MAX_SAMPLES) -> None:
        """Begin to count.

        Args:
            inner: What is read.
            most: The most samples of all selectors together.
        """
        self._inner = inner
        self._most = most
        self._n_read = 0

    def select(self, matchers: Sequence[Matcher], from_ms: int, to_ms: int) -> Sequence[SeriesSamples]:
        """Return the series that fulfil all matchers, with their samples in (from_ms, to_ms].

        Raises:
            PromqlError: The expression has read too many samples.
        """
        found = self._inner.select(matchers, from_ms, to_ms)
        self._n_read += sum(len(series.at_ms) for series in found)
        if self._n_read > self._most:
            raise PromqlError(
                f"The expression reads more than {self._most:,} samples: name more labels, or a shorter range."
            )
        return found


class RecordedSource:
    """Reads the store of series; the stores and the expressions know nothing of each other."""

    def __init__(self, workspace: "Workspace", clock: Clock = utc_now) -> None:
        """Prepare; nothing is read yet."""
        from core.telemetry.metrics import MetricReader

        self._reader = MetricReader(workspace.metrics_file, clock)

    def select(self, matchers: Sequence[Matcher], from_ms: int, to_ms: int) -> list[SeriesSamples]:
        """Return the series that fulfil all matchers, with their samples in (from_ms, to_ms].

        Raises:
            TelemetryError: The store cannot be read now.
        """
        found = self._reader.select(matchers, from_ms, to_ms)
        return [SeriesSamples(series.labels, series.at_ms, series.values) for series in found]

    def close(self) -> None:
        """Close the store; the next call opens it again."""
        self._reader.close()
