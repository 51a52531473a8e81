"""What outlasts a change of the live version: what was known of the version before, and the date of a move.

A version that goes live while the data have already moved can date the move to its own first row at the earliest. Where
the version before it had found the move, that date is the true one.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from core.monitoring.column_words import MOVED, moved_columns
from core.monitoring.documents import EarlierVersion, ModelMonitoring, MonitoredColumn, VersionMonitoring

MOST_EARLIER = 5
_AT_ONCE = timedelta(minutes=2)  # after a version went live, within which a change is taken for one before it
_GAP = timedelta(minutes=15)  # between two versions, within which the later one takes over from the earlier one


class Predecessor(NamedTuple):
    """Another version of the same model, while a version goes live.

    Attributes:
        version: Its number.
        live_until: When it left; None while it is live.
        moved: Its columns on watch or in alarm.
    """

    version: str
    live_until: datetime | None
    moved: tuple[MonitoredColumn, ...]


def earlier_versions(
    before: ModelMonitoring | None, live: Collection[str], now: datetime
) -> tuple[EarlierVersion, ...]:
    """Return what is to be remembered of the versions that are no longer live, the last one first.

    Args:
        before: The document as last stored.
        live: The versions that are live now.
        now: The time.
    """
    if before is None:
        return ()
    left = [
        EarlierVersion(
            version=each.version,
            live_until=now,
            health=replace(each.health, changes=()),
            moved=tuple(_bare(column) for column in moved_columns(each.drift, *MOVED)),
        )
        for each in before.versions
        if each.version not in live
    ]
    known = [each for each in before.earlier if each.version not in live]
    return tuple([*left, *known][:MOST_EARLIER])


def predecessors(
    before: ModelMonitoring | None, earlier: Iterable[EarlierVersion], version: str
) -> tuple[Predecessor, ...]:
    """Return the other versions of a model that may have found a move before a version went live.

    Args:
        before: The document as last stored.
        earlier: The versions that are no longer live.
        version: The version.
    """
    gone = [Predecessor(each.version, each.live_until, each.moved) for each in earlier]
    known = {each.version for each in gone} | {version}
    live = [
        Predecessor(each.version, None, tuple(moved_columns(each.drift, *MOVED)))
        for each in (before.versions if before is not None else ())
        if each.version not in known
    ]
    return (*live, *(each for each in gone if each.version != version))


def dated_across_versions(found: VersionMonitoring, others: Iterable[Predecessor]) -> VersionMonitoring:
    """Date the moves that a version shows since its very first rows: they began before it went live.

    Args:
        found: The version.
        others: The other versions of its model.
    """
    drift = found.drift
    begun = max((at for at in (found.live_since, drift.since if drift else None) if at is not None), default=None)
    if drift is None or begun is None:
        return found
    taken_over = [each for each in others if each.live_until is None or each.live_until >= begun - _GAP]
    columns = tuple(_dated(column, begun, taken_over) for column in drift.columns)
    return replace(found, drift=replace(drift, columns=columns))


def _dated(column: MonitoredColumn, begun: datetime, others: list[Predecessor]) -> MonitoredColumn:
    at = column.changed_at
    if at is None or at < begun - _AT_ONCE:  # the version answered when it changed: the date is its own
        return column
    low = column.changed_from or at
    is_at_once = at <= begun + _AT_ONCE
    if not is_at_once and low > begun:
        return column
    same = [
        (each.changed_at, other.version, each)
        for other in others
        for each in other.moved
        if (each.type, each.name) == (column.type, column.name)
        and each.changed_at is not None
        and each.changed_at < begun
        and not each.changed_before_live
    ]
    if same:
        first, version, known = min(same, key=lambda each: each[:2])
        return replace(
            column,
            changed_at=first,
            changed_from=known.changed_from,
            changed_until=known.changed_until,
            changed_with=known.changed_with or version,
        )
    return replace(column, changed_before_live=True) if is_at_once else column


def _bare(column: MonitoredColumn) -> MonitoredColumn:
    return replace(column, trend=(), shares=None, quantiles=())
