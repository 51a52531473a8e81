"""What two versions rely on, side by side: shares of importance, since their margins may be on different scales."""

import msgspec

from core.explain.documents import FeatureImportance, GlobalExplanation


class ImportanceChange(msgspec.Struct, frozen=True, kw_only=True):
    """How one column's share of the importance changed.

    Attributes:
        feature: The column.
        before: Its share before; None if that version does not read it.
        after: Its share after; None if that version does not read it.
        change: The difference, in shares.
        rank_before: Its rank before, 1 for the largest.
        rank_after: Its rank after.
        is_clear: Whether the 95 % intervals of the two shares lie apart.
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

    The interval of a share is that of its importance over the sum of the importances.
    """
    old = {entry.feature: (place, entry) for place, entry in enumerate(before.features, start=1)}
    new = {entry.feature: (place, entry) for place, entry in enumerate(after.features, start=1)}
    found = []
    for feature in dict.fromkeys([*new, *old]):
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
                is_clear=_lie_apart(None if was is None else was[1], None if now is None else now[1]),
            )
        )
    return tuple(sorted(found, key=lambda entry: (-abs(entry.change), entry.feature)))


def _lie_apart(one: FeatureImportance | None, other: FeatureImportance | None) -> bool:
    low, high = _share_interval(one)
    least, most = _share_interval(other)
    return high < least or most < low


def _share_interval(entry: FeatureImportance | None) -> tuple[float, float]:
    if entry is None or not entry.importance:
        return 0.0, 0.0
    scale = entry.share / entry.importance
    return entry.low * scale, entry.high * scale
