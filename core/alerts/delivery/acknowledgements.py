"""Acknowledgements that channels with incidents of their own are told, so that nobody is paged for a taken alert."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from msgspec.structs import replace

from core.alerts.alert import Alert, AlertState
from core.alerts.delivery.message import AlertMessage, MessageStatus, message_of
from core.alerts.delivery.outbox import ChannelTarget, Outbox
from core.alerts.delivery.receivers import Receivers
from core.alerts.delivery.records import Delivery, NotificationState


def acknowledgements(
    outbox: Outbox, receivers: Receivers, alerts: Mapping[str, Alert], *, now: datetime
) -> Iterator[tuple[AlertMessage, ChannelTarget]]:
    """Yield what is to be queued: one acknowledgement for each incident of which all alerts are acknowledged.

    Args:
        outbox: The log says which incidents are open.
        receivers: The receivers.
        alerts: Every alert by fingerprint.
        now: The time.
    """
    targets = {each.target.channel: each.target for each in receivers.all() if each.tracks_incidents}
    if not targets:
        return
    newest: dict[tuple[str, str], Delivery] = {}
    for delivery in outbox.all():
        if delivery.channel in targets and delivery.state is not NotificationState.SUPERSEDED:
            newest[delivery.channel, delivery.group_key] = delivery
    for delivery in newest.values():
        if delivery.status != MessageStatus.FIRING or delivery.state is not NotificationState.DELIVERED:
            continue
        told = [alerts[fingerprint] for fingerprint in delivery.firing if fingerprint in alerts]
        still_open = [alert for alert in told if alert.state.is_open]
        if still_open and all(alert.state is AlertState.ACKNOWLEDGED for alert in still_open):
            message = message_of(_Acknowledged(delivery, still_open), now=now)
            yield _as_acknowledged(message, delivery), targets[delivery.channel]


class _Acknowledged:
    """An acknowledgement as a notification."""

    reason = "acknowledged"

    def __init__(self, delivery: Delivery, alerts: list[Alert]) -> None:
        self.receiver = delivery.receiver
        self.group_key = delivery.group_key
        self.group_labels: dict[str, str] = {}
        self.alerts = alerts


def _as_acknowledged(message: AlertMessage, delivery: Delivery) -> AlertMessage:

    name = f"{delivery.notification_id}-acknowledged"  # the same whenever it is asked for: it is queued once
    return replace(message, notification_id=name, status=MessageStatus.ACKNOWLEDGED)
