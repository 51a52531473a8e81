"""The differences of two versions or runs as rows, which say the better side where a metric has one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.presentation.phrases import number
from core.registry import VersionDiff
from core.registry.diff import VersionDifference
from widgets.diff_view import Difference

if TYPE_CHECKING:
    from core.tracking.comparison import RunComparison

# Higher is better for the first set, lower for the second; for other metrics the rows name no better side.
_MORE_IS_BETTER = (
    "attainment",
    "r2",
    "auc",
    "average_precision",
    "precision",
    "recall",
    "f1",
    "accuracy",
    "coverage",
    "roc_auc",
)
_LESS_IS_BETTER = ("loss", "log_loss", "mae", "rmse", "brier", "error", "mean_absolute", "mean_squared", "root_mean")
_HASH_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two compared objects."""

    title: str
    left: str
    right: str
    rows: tuple[Difference, ...]
    notes: tuple[str, ...] = ()
    first: tuple[Difference, ...] = ()
    """The differences that fit a screen; empty where all of them do."""


Look = Callable[[], Comparison]


def of_versions(diff: VersionDiff) -> Comparison:
    """Compare two versions, sections by name."""
    rows, first = (tuple(map(_of_version, some)) for some in (diff.rows, diff.first()))
    return Comparison(f"{diff.model}: {diff.a} and {diff.b}", diff.a, diff.b, rows, tuple(diff.notes), first)


def _of_version(row: VersionDifference) -> Difference:
    return Difference(
        section=row.section,
        name=row.name,
        left=_spelled(row.before),
        right=_spelled(row.after),
        delta=_signed(row.delta) if row.delta else "",
        better=is_better(row.name, row.delta) if row.section == "metrics" and row.delta else None,
    )


def of_runs(comparison: "RunComparison") -> Comparison:
    """Compare two runs, sections by name."""
    left, right = comparison.run_ids
    rows = []
    for row in comparison.rows:
        before, after = row.values
        delta = _delta(before, after) if row.section == "metrics" else 0.0
        rows.append(
            Difference(
                section=row.section,
                name=row.name,
                left=_spelled(before),
                right=_spelled(after),
                delta=_signed(delta) if delta else "",
                better=is_better(row.name, delta) if delta else None,
            )
        )
    return Comparison(f"{left} and {right}", left, right, tuple(rows))


def _delta(before: object, after: object) -> float:
    if isinstance(before, int | float) and isinstance(after, int | float):
        return float(after) - float(before)
    return 0.0


def is_better(metric: str, delta: float) -> bool | None:
    """Return whether a change of a metric is an improvement; None where its name does not say.

    >>> is_better("attainment", 0.01), is_better("mae_bps", 0.2), is_better("mae_optimum_bps", 0.2)
    (True, False, None)
    >>> is_better("rating_typo_precision", 0.01), is_better("rating_typo_optimum", 0.01)
    (True, None)
    """
    name = metric.rpartition(".")[2]
    if "optimum" in name:  # the best that the data allow, for any model
        return None
    if name.startswith(_MORE_IS_BETTER) or name.endswith("_precision"):
        return delta > 0
    if name.startswith(_LESS_IS_BETTER):
        return delta < 0
    return None


def _signed(delta: float) -> str:
    return f"{'+' if delta > 0 else ''}{number(delta)}"


def _spelled(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(float(value))
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    text = str(value)
    return f"{text[:12]}…" if len(text) == _HASH_LENGTH and text.isalnum() else text
