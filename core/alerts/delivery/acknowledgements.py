"""Acknowledgements as messages to those who were told: nobody looks into, or is paged for, what somebody has taken.

A channel that tracks an incident is told once all alerts of the incident are taken: it knows no single one. People
are told of each alert that they heard firing. Webhooks hear nothing: Alertmanager's JSON has no such status.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from core.alerts.alert import Alert
from core.alerts.delivery.message import AlertMessage, MessageStatus, message_of
from core.alerts.delivery.outbox import ChannelTarget, Outbox
from core.alerts.delivery.receivers import Receivers
from core.alerts.delivery.records import Delivery, NotificationState
from core.clock import to_iso


def acknowledgements(
    outbox: Outbox, receivers: Receivers, alerts: Mapping[str, Alert], *, now: datetime, workspace: str = ""
) -> Iterator[tuple[AlertMessage, ChannelTarget]]:
    """Yield what is to be queued: at most one message for each channel and group, and none that was queued before.

    Args:
        outbox: The log says who was told of what.
        receivers: The receivers.
        alerts: Every alert by fingerprint.
        now: The time.
        workspace: The name of the workspace, for readers of several.
    """
    if not any(alert.is_acknowledged for alert in alerts.values()):
        return
    channels = {each.target.channel: each for each in receivers.all() if each.hears_acknowledgements}
    groups: dict[tuple[str, str], list[Delivery]] = {}
    for delivery in outbox.all():
        if delivery.channel in channels and delivery.state is not NotificationState.SUPERSEDED:
            groups.setdefault((delivery.channel, delivery.group_key), []).append(delivery)
    for (channel, _), deliveries in groups.items():
        newest = deliveries[-1]
        if channels[channel].tracks_incidents:
            taken = _incident_taken(newest, alerts)
            name = f"{newest.notification_id}-acknowledged"  # the same whenever it is asked for: it is queued once
        else:
            taken = _newly_taken(deliveries, alerts)
            name = _name(newest, taken)
        if taken:
            message = message_of(_Acknowledged(newest, taken), now=now, workspace=workspace)
            message = replace(message, notification_id=name, status=MessageStatus.ACKNOWLEDGED)
            yield message, channels[channel].target


def _incident_taken(newest: Delivery, alerts: Mapping[str, Alert]) -> list[Alert]:
    """Return the open alerts of an incident that is known to be open and is taken as a whole, else nothing."""
    if newest.status != MessageStatus.FIRING or newest.state is not NotificationState.DELIVERED:
        return []
    still_open = [
        alert for fingerprint in newest.firing if (alert := alerts.get(fingerprint)) is not None and alert.state.is_open
    ]
    return still_open if all(alert.is_acknowledged for alert in still_open) else []


def _newly_taken(deliveries: Sequence[Delivery], alerts: Mapping[str, Alert]) -> list[Alert]:
    """Return the alerts that a channel heard firing, and whose acknowledgement it was not told.

    Args:
        deliveries: The deliveries of one group to one channel, oldest first.
        alerts: Every alert by fingerprint.
    """
    heard_at: dict[str, datetime] = {}  # the first firing that was heard, unless the end was told since
    told_at: dict[str, datetime] = {}
    for delivery in deliveries:
        if delivery.status == MessageStatus.ACKNOWLEDGED:
            told_at.update(dict.fromkeys(delivery.firing, delivery.created_at))
            continue
        if delivery.state is NotificationState.DELIVERED:
            for fingerprint in delivery.firing:
                heard_at.setdefault(fingerprint, delivery.created_at)
        for fingerprint in delivery.resolved:
            heard_at.pop(fingerprint, None)
    return [
        alert
        for fingerprint, at in heard_at.items()
        if (alert := alerts.get(fingerprint)) is not None and _is_news(alert, at, told_at.get(fingerprint))
    ]


def _is_news(alert: Alert, heard_at: datetime, told_at: datetime | None) -> bool:
    """Whether an alert was taken after it was heard firing, and after an earlier taking was told."""
    taken_at = alert.acknowledged_at
    if not alert.is_acknowledged or taken_at is None:
        return False
    return heard_at <= taken_at and (told_at is None or told_at < taken_at)


def _name(delivery: Delivery, taken: Sequence[Alert]) -> str:
    """Name the acknowledgement of these alerts, the same whenever it is asked for."""
    acts = sorted(f"{alert.fingerprint}:{to_iso(alert.acknowledged_at)}" for alert in taken if alert.acknowledged_at)
    words = "\x1e".join((delivery.receiver, delivery.group_key, *acts))
    return f"{hashlib.sha256(words.encode()).hexdigest()[:16]}-acknowledged"


class _Acknowledged:
    """An acknowledgement as a notification."""

    reason = "acknowledged"

    def __init__(self, delivery: Delivery, alerts: Sequence[Alert]) -> None:
        self.receiver = delivery.receiver
        self.group_key = delivery.group_key
        self.group_labels: dict[str, str] = {}
        self.alerts = alerts
