"""The new version against the live version on the same rows: the mean difference of losses, with intervals.

The difference is taken row by row, so what makes a row hard for both does not count. Where rows come in groups, groups
are the evidence (`core.intervals`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from msgspec.structs import replace

from core.arrays import AnyArray, BoolArray, FloatArray
from core.explain.deny_list import DenyList
from core.explain.documents import DENIED
from core.intervals.sums import difference_interval
from core.intervals.units import ERROR_RATE
from core.models.outcomes import Outcomes, losses_of
from core.tables.signature import ColumnKind, ColumnSignature

MOST_LEVELS = 12
LEAST_ROWS = 30
MOST_SLICES = 60
_LEAST_LOSS = 1e-12


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Both versions on the same rows. A negative difference says that the new version does better."""

    name: str  # "newest rows", "regression set", "sector=Energy"
    n: int
    live_loss: float
    new_loss: float
    difference: float
    low: float | None = None  # of the interval; None where the rows say nothing of their spread
    high: float | None = None
    margin: float = 0.0  # the tolerated difference

    @property
    def is_superior(self) -> bool:
        """Whether the new version is shown to be better."""
        return self.high is not None and self.high < 0

    @property
    def is_non_inferior(self) -> bool:
        """Whether the new version is shown not to be worse by more than the margin."""
        if self.high is None:
            return abs(self.difference) <= self.margin
        return self.high <= self.margin

    @property
    def is_worse(self) -> bool:
        """Whether the new version is shown to be worse by more than the margin."""
        return self.low is not None and self.low > self.margin

    def sentence(self, unit: str) -> str:
        """Say what was found."""
        interval = "" if self.low is None else f" (95 % from {self.low:+.4g} to {self.high:+.4g})"
        return (
            f"{self.name}: {unit} {self.new_loss:.4g} against {self.live_loss:.4g} of the live version on {self.n:,} "
            f"rows, {self.difference:+.4g}{interval}"
        )


@dataclass(frozen=True, slots=True)
class VersionComparison:
    """What both versions did on one set of rows.

    Attributes:
        unit: The loss, in words.
        whole: On all rows.
        slices: By level of the categories with few levels, the worst first.
    """

    unit: str
    whole: Compared
    slices: tuple[Compared, ...]

    def without_names(self, denied: DenyList) -> "VersionComparison":
        """Return the same comparison, which decides the same, without the names of slices of denied columns."""
        shown = (replace(each, name=DENIED) if denied.denies_slice(each.name) else each for each in self.slices)
        return VersionComparison(self.unit, self.whole, tuple(shown))

    def figures(self) -> dict[str, Any]:
        """Return the comparison as evidence."""
        return {
            "loss": self.unit,
            "whole": msgspec.to_builtins(self.whole),
            "slices": [msgspec.to_builtins(each) for each in self.slices[:12]],
            "n_slices": len(self.slices),
        }


def compare(
    name: str,
    live: Outcomes,
    new: Outcomes,
    slices: Iterable[tuple[str, BoolArray]],
    group: AnyArray,
    *,
    margin: float,
    slice_margin: float,
) -> VersionComparison:
    """Compare two versions on the rows that both answered.

    Args:
        name: Of the rows.
        live: What the live version answered.
        new: What the new version answered to the same rows.
        slices: The rows of each slice, by its name.
        group: Of each row; rows of one group are one piece of evidence.
        margin: The tolerated increase of the mean loss, as a share of the live version's.
        slice_margin: The same of a slice.
    """
    unit, live_losses, new_losses = losses_of(live, new)
    known = np.isfinite(live_losses) & np.isfinite(new_losses)
    every = _compared(name, live_losses, new_losses, group, known, margin, ERROR_RATE / 2)
    masks = [(level, mask & known) for level, mask in slices]
    masks = [(level, mask) for level, mask in masks if LEAST_ROWS <= mask.sum() < known.sum()][:MOST_SLICES]
    tail = ERROR_RATE / 2 / max(len(masks), 1)  # all of them are looked at
    parts = [_compared(level, live_losses, new_losses, group, mask, slice_margin, tail) for level, mask in masks]
    parts.sort(key=lambda each: -(each.difference - each.margin))
    return VersionComparison(unit, every, tuple(parts))


def compare_rankings(
    name: str, is_event: FloatArray, live: AnyArray, new: AnyArray, group: AnyArray, *, margin: float
) -> VersionComparison:
    """Compare how two versions rank rows of which some are events: a detector's scores are no probabilities.

    Args:
        name: Of the rows.
        is_event: 1 for events, 0 for other rows.
        live: The scores of the live version.
        new: The scores of the new version for the same rows.
        group: Of each row; rows of one group are one piece of evidence.
        margin: The tolerated increase of the loss, as a share of the live version's.
    """
    losses = [misranked(is_event, each) for each in (live, new)]
    known = np.isfinite(losses[0]) & np.isfinite(losses[1])
    whole = _compared(name, losses[0], losses[1], group, known, margin, ERROR_RATE / 2)
    return VersionComparison("share of misranked pairs", whole, ())


def misranked(is_event: FloatArray, score: AnyArray) -> FloatArray:
    """Return values of rows whose mean is 1 - AUC, and whose spread is that of its estimate.

    Args:
        is_event: 1 for events, 0 for other rows, shape (n,).
        score: Of each row; events should have the highest, shape (n,).
    Returns:
        All NaN without an event, or without another row.
    Source:
        DeLong, DeLong and Clarke-Pearson, Biometrics 44(3), 1988: the influence of each row on the area.

    >>> values = misranked(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.2, 0.4, 0.6]))
    >>> float(values.mean())
    0.25
    """
    events, others = score[is_event == 1], score[is_event != 1]
    values = np.full(len(score), np.nan)
    if not len(events) or not len(others):
        return values
    of_events = 1.0 - _placement(events, others)
    of_others = _placement(others, events)
    loss = float(of_events.mean())
    values[is_event == 1] = loss + len(score) / len(events) * (of_events - loss)
    values[is_event != 1] = loss + len(score) / len(others) * (of_others - loss)
    return values


def _placement(scores: AnyArray, among: AnyArray) -> FloatArray:
    """Return the share of other scores below each score; equal ones count half."""
    order = np.sort(among)
    below = np.searchsorted(order, scores, side="left") + np.searchsorted(order, scores, side="right")
    return np.asarray(below / (2.0 * len(order)), dtype=np.float64)


def _compared(
    name: str,
    live: FloatArray,
    new: FloatArray,
    group: AnyArray,
    mask: BoolArray,
    margin: float,
    tail: float,
) -> Compared:
    difference = new[mask] - live[mask]
    live_loss = float(live[mask].mean()) if mask.any() else float("nan")
    interval = difference_interval(difference, group[mask], tail=1.0 - tail) if mask.sum() > 1 else None
    return Compared(
        name=name,
        n=int(mask.sum()),
        live_loss=live_loss,
        new_loss=float(new[mask].mean()) if mask.any() else float("nan"),
        difference=float(difference.mean()) if mask.any() else float("nan"),
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        margin=margin * max(live_loss, _LEAST_LOSS),
    )


def level_slices(frame: pd.DataFrame, columns: Sequence[ColumnSignature]) -> Iterator[tuple[str, BoolArray]]:
    """Return the rows of each level of the columns with few levels."""
    for column in columns:
        if column.name not in frame:
            continue
        values = frame[column.name]
        if column.kind is ColumnKind.FLAG:
            yield f"{column.name}=true", np.asarray(values == 1)
            yield f"{column.name}=false", np.asarray(values == 0)
        elif column.kind is ColumnKind.CATEGORY and 0 < len(column.levels) <= MOST_LEVELS:
            texts = values.astype(object)
            for level in column.levels:
                yield f"{column.name}={level}", np.asarray(texts == level)


def verdict(comparisons: Mapping[str, VersionComparison], *, needs_superiority: bool) -> str | None:
    """Say why a new version does not pass; None if it passes.

    Args:
        comparisons: On the newest rows, first, and on the regression set.
        needs_superiority: Whether it must be better on the newest rows, not only not worse.
    """
    first, *others = comparisons.values()
    if needs_superiority and not first.whole.is_superior:
        return f"not shown to be better on the {first.whole.sentence(first.unit)}"
    for each in (first, *others):
        if not each.whole.is_non_inferior:
            return (
                f"not shown to be within {each.whole.margin:.4g} of the live version on the "
                f"{each.whole.sentence(each.unit)}"
            )
    for each in (first, *others):
        if worse := next((part for part in each.slices if part.is_worse), None):
            return f"certainly worse on a slice of the {each.whole.name}, {worse.sentence(each.unit)}"
    return None
