"""What an expression costs whatever the series are: the steps of its subqueries, and those of their windows."""

from core.promql.budget import MAXIMUM_SAMPLES
from core.promql.errors import PromqlError
from core.promql.plan import MAXIMUM_SUBQUERY_STEPS, Node, RangeCall, RangeNode, Subquery


def require_affordable(root: Node) -> None:
    """Refuse an expression that no evaluation could afford, if each subquery finds at least one series.

    Raises:
        PromqlError: A subquery has too many steps, or the windows hold too many samples.
    """
    _Cost().add(root, 1, 0)


class _Cost:
    """Counts through an expression."""

    def __init__(self) -> None:
        self._n_in_windows = 0

    def add(self, node: Node, n_steps: int, span_ms: int) -> None:
        """Count a part that is evaluated at some steps, the last of them so long after the first."""
        if isinstance(node, RangeNode) and node.moment.at is not None:
            span_ms = 0  # every step looks at the same instant
        n_steps_inside, span_inside = n_steps, span_ms
        if isinstance(node, Subquery):
            n_steps_inside, span_inside = _steps(node, span_ms), span_ms + node.range_ms
        for child in node.children:
            self.add(child, n_steps_inside, span_inside)
        if isinstance(node, RangeCall) and isinstance(node.over, Subquery):
            self._count_windows(node.over, n_steps)

    def _count_windows(self, subquery: Subquery, n_steps: int) -> None:
        self._n_in_windows += n_steps * (subquery.range_ms // subquery.step_ms)
        if self._n_in_windows > MAXIMUM_SAMPLES:
            raise PromqlError(
                f"The subquery looks at {self._n_in_windows:,} samples at each evaluation; it may look at "
                f"{MAXIMUM_SAMPLES:,}: make its range shorter or its step longer.",
                subquery.place,
            )


def _steps(subquery: Subquery, span_ms: int) -> int:
    """Return how many steps a subquery has at least; the instant decides whether there is one more."""
    n_steps = (span_ms + subquery.range_ms) // subquery.step_ms
    if n_steps > MAXIMUM_SUBQUERY_STEPS:
        raise PromqlError(
            f"The subquery has {n_steps:,} steps; it may have {MAXIMUM_SUBQUERY_STEPS:,}: make its step longer.",
            subquery.place,
        )
    return n_steps
