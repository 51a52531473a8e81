"""What two versions rely on, side by side: shares of importance, since their margins may be on different scales."""

import msgspec

from core.explain.documents import FeatureImportance, GlobalExplanation
from core.explain.trend_moves import RatioEstimate, half_width
from core.intervals.units import ERROR_RATE


class ImportanceChange(msgspec.Struct, frozen=True, kw_only=True):
    """How one column's share of the importance changed.

    Attributes:
        feature: The column.
        before: Its share before; None if that version does not read it.
        after: Its share after; None if that version does not read it.
        change: The difference, in shares.
        rank_before: Its rank before, 1 for the largest.
        rank_after: Its rank after.
        is_clear: Whether it is more than the rows explain, at 5 % over all columns of the comparison together.
    """

    feature: str
    before: float | None
    after: float | None
    change: float
    rank_before: int | None
    rank_after: int | None
    is_clear: bool


def compare_explanations(before: GlobalExplanation, after: GlobalExplanation) -> tuple[ImportanceChange, ...]:
    """Compare what two versions rely on, the largest change first.

    Source:
        `half_width` for each share; Bonferroni over the columns. Rows that explain both make it safe.
    """
    old = {entry.feature: (place, entry) for place, entry in enumerate(before.features, start=1)}
    new = {entry.feature: (place, entry) for place, entry in enumerate(after.features, start=1)}
    names, found = list(dict.fromkeys([*new, *old])), []
    tail = 1.0 - ERROR_RATE / max(len(names), 1) / 2.0
    for feature in names:
        was, now = old.get(feature), new.get(feature)
        share_before, share_after = (0.0 if each is None else each[1].share for each in (was, now))
        found.append(
            ImportanceChange(
                feature=feature,
                before=None if was is None else was[1].share,
                after=None if now is None else now[1].share,
                change=share_after - share_before,
                rank_before=None if was is None else was[0],
                rank_after=None if now is None else now[0],
                is_clear=_is_clear(_estimate(was, before), _estimate(now, after), tail),
            )
        )
    return tuple(sorted(found, key=lambda entry: (-abs(entry.change), entry.feature)))


def _estimate(entry: tuple[int, FeatureImportance] | None, report: GlobalExplanation) -> RatioEstimate | None:
    """Return a share with the units that it rests on; None where its error is not known."""
    if entry is None:  # the version does not read the column
        return RatioEstimate(0.0, 0.0, report.n_units)
    error = entry[1].share_error
    return None if error is None else RatioEstimate(entry[1].share, error**2, report.n_units)


def _is_clear(one: RatioEstimate | None, other: RatioEstimate | None, tail: float) -> bool:
    if one is None or other is None or min(one.n_blocks, other.n_blocks) < 2:
        return False
    return abs(one.value - other.value) > half_width(one, other, tail)
