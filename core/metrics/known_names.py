"""Which metrics an expression may name: those of the catalogue, and whatever else was recorded."""

from core.alerts.evaluation.source import RecordedSource
from core.metrics.catalogue import CATALOGUE


def known_metric_names(source: RecordedSource) -> frozenset[str]:
    """Return the names of all series that there are or could be: a histogram has those of its parts.

    Args:
        source: The store of a workspace.

    Raises:
        TelemetryError: The store cannot be read now.
    """
    return source.names().union(*(metric.stored_names for metric in CATALOGUE))
