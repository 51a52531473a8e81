"""The recorded series of a workspace as a source of expressions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from core.clock import Clock, utc_now
from core.promql import EvaluationLimits, Matcher, SeriesSamples

if TYPE_CHECKING:
    from core.state import Workspace

BY_HAND: Final = EvaluationLimits(max_samples=5_000_000, seconds=10.0)
"""The limits of an expression that a person has just typed: about a second of work, and the patience of a person."""


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

    def names(self) -> frozenset[str]:
        """Return the names of all series that were recorded and are kept.

        Raises:
            TelemetryError: The store cannot be read now.
        """
        return self._reader.names()

    def close(self) -> None:
        """Close the store; the next call opens it again."""
        self._reader.close()
