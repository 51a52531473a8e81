"""A group of alerts: what its receiver was told, and whether to tell more now. Pure; no disk, no clock."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from core.alerts.alert import Alert
from core.alerts.routing.config import RouteNode
from core.alerts.selecting import quoted


class AlertGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The document of one group of one route."""

    group_id: str  # the receiver and the group key: a receiver that is renamed is another one
    group_key: str  # the route and the labels of the group, as in Alertmanager
    receiver: str
    group_labels: dict[str, str]
    since: datetime  # when its first alert came
    next_at: datetime  # when it is looked at next
    told_at: datetime | None = None  # the last notification
    told: dict[str, int] = {}  # by fingerprint, the firing that the receiver was told of and that is not over for it
    revision: int = 0


class GroupLook(NamedTuple):
    """What a look at a group decided."""

    group: AlertGroup | None  # as it is from now on; None if nothing is left of it
    alerts: tuple[Alert, ...] = ()  # to tell of; empty: nothing
    reason: str = ""  # first, changed, repeat, resolved


def group_key(node: RouteNode, labels: Mapping[str, str]) -> str:
    """Return the identity of a group, as Alertmanager writes it."""
    shown = ", ".join(f"{name}={quoted(value)}" for name, value in sorted(labels.items()))
    return f"{node.key}:{{{shown}}}"


def group_id(receiver: str, key: str) -> str:
    """Return the identity of the document of a group."""
    return f"{quoted(receiver)} {key}"


def opened(node: RouteNode, labels: Mapping[str, str], first_at: datetime, now: datetime) -> AlertGroup:
    """Return a new group: it is looked at after `group_wait`, or at once if its alert is older than that."""
    has_waited = first_at + node.group_wait < now
    key = group_key(node, labels)
    return AlertGroup(
        group_id=group_id(node.receiver, key),
        group_key=key,
        receiver=node.receiver,
        group_labels=dict(labels),
        since=now,
        next_at=now if has_waited else now + node.group_wait,
    )


def looks_again_at(group: AlertGroup, node: RouteNode, now: datetime) -> datetime | None:
    """Return when a group says more although no alert changes: after its wait, or to repeat; None if only then."""
    if group.next_at > now:
        return group.next_at
    return group.told_at + node.repeat_interval if group.told_at is not None else None


def decide(
    group: AlertGroup,
    node: RouteNode,
    alerts: Mapping[str, Alert],
    *,
    members: Collection[str],
    muted: Collection[str],
    is_muted_by_time: bool,
    now: datetime,
) -> GroupLook:
    """Decide what to tell of a group now.

    A receiver that was told that an alert fires is told that it resolved, also if somebody silenced or acknowledged
    it meanwhile, or another route has taken it: an incident would otherwise stay open there for ever.

    Args:
        group: The group, with what was told.
        node: Its route.
        alerts: Every alert by fingerprint.
        members: The fingerprints of its open alerts.
        muted: Those of them that are acknowledged, snoozed, silenced or inhibited.
        is_muted_by_time: Whether the route tells nothing at this hour.
        now: The time.
    """
    longest_wait = max(node.group_wait, node.group_interval)
    if now < group.next_at <= now + longest_wait:  # later: the clock was set back, or the interval was shortened
        return GroupLook(group)
    if is_muted_by_time:
        return GroupLook(group)
    over = [each for each in group.told if each not in alerts or not alerts[each].state.is_open]
    heard = {fingerprint: n for fingerprint, n in group.told.items() if fingerprint not in over}
    tellable = {fingerprint: alerts[fingerprint] for fingerprint in members if fingerprint not in muted}
    news = [each for each, alert in tellable.items() if _is_news(alert, heard.get(each), group.told_at)]
    resolved = [alerts[each] for each in over if each in alerts]
    is_repeat_due = group.told_at is not None and not now - node.repeat_interval < group.told_at <= now
    if news:
        reason = "changed" if group.told_at is not None and group.told else "first"
    elif resolved:
        reason = "resolved"
    elif tellable and is_repeat_due:
        reason = "repeat"
    else:
        # What is over and of which no document is left cannot be told any more.
        left = msgspec.structs.replace(group, told=heard) if len(heard) != len(group.told) else group
        return GroupLook(left if members or heard else None)
    told = heard | {fingerprint: alert.n_fired for fingerprint, alert in tellable.items()}
    after = msgspec.structs.replace(group, told=told, told_at=now, next_at=now + node.group_interval)
    return GroupLook(after if members or heard else None, (*tellable.values(), *resolved), reason)


def _is_news(alert: Alert, n_told: int | None, told_at: datetime | None) -> bool:
    """Whether the receiver does not know that an alert fires.

    Of an alert that ended and fired again since, it knows, as by Alertmanager: it heard of no end. But whoever
    acknowledged it knows of the firing before, and so does one who heard of another incident.
    """
    if n_told is None or told_at is None:
        return True
    return n_told != alert.n_fired and alert.untaken_since > told_at
