"""Metrics in the text format of Prometheus, each name without characters that a terminal would obey."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from core.escape import is_shown_as_is, spelled_out

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(registry: CollectorRegistry) -> bytes:
    """Render all metrics of a registry: people read this with curl, and a label may hold what a terminal obeys."""
    return _spelled_out(generate_latest(registry).decode()).encode()


class MeasuredFamilies(Collector):
    """A collector of what a function returns."""

    def __init__(self, measure: Callable[[], Iterable[Metric]]) -> None:
        self._measure = measure

    def describe(self) -> Iterable[Metric]:
        """Describe nothing: a registry would measure to find the names."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Measure."""
        return self._measure()


def _spelled_out(text: str) -> str:
    """Spell characters that a terminal would obey or hide as an escape; a backslash in a label's value is doubled.

    >>> print(_spelled_out('rows{field="a\\x1b]52;c;x\\x07"} 1'))
    rows{field="a\\\\x1b]52;c;x\\\\x07"} 1
    """
    if is_shown_as_is(text, keep="\n"):
        return text
    return "\n".join(
        "".join(each if is_shown_as_is(each) else spelled_out(each).replace("\\", "\\\\") for each in line)
        for line in text.split("\n")
    )
