"""The heartbeat: a notification that comes as long as alerts can reach anyone, so that its absence is noticed."""

from datetime import datetime, timedelta

from core.alerts.delivery.message import AlertMessage, MessageStatus, NotifiedAlert
from core.alerts.delivery.outbox import HEARTBEAT, Outbox
from core.alerts.delivery.receivers import Receivers
from core.settings.alert_delivery import HeartbeatSettings

ALERT = "Watchdog"  # the name that Prometheus' own rules use


def beat(
    outbox: Outbox, receivers: Receivers, settings: HeartbeatSettings, *, now: datetime, workspace: str
) -> datetime:
    """Queue the heartbeat if it is due; one that could not be sent in its interval expires.

    Args:
        outbox: The outbox, which knows when the last one was queued, by an earlier engine too.
        receivers: The receivers.
        settings: To whom it goes, and how often.
        now: The time.
        workspace: The name of the workspace.

    Returns:
        When the next one is due.
    """
    interval = timedelta(seconds=settings.interval_seconds)
    earlier = [
        delivery.created_at
        for delivery in outbox.all()
        if delivery.reason == HEARTBEAT and delivery.receiver == settings.receiver
    ]
    last = max(earlier, default=None)
    if last is not None and last <= now < last + interval:
        return last + interval
    message = heartbeat_message(settings, now=now, workspace=workspace)
    targets = [channel.target for channel in receivers.channels(settings.receiver)]
    outbox.enqueue(
        message, targets, is_alternative=receivers.is_alternative(settings.receiver), expires_at=now + interval
    )
    return now + interval


def heartbeat_message(settings: HeartbeatSettings, *, now: datetime, workspace: str) -> AlertMessage:
    """Return the message of one heartbeat."""
    summary = f"The engine can send notifications. This comes every {settings.interval_seconds:g} s; act if it stops."
    labels = {"alertname": ALERT, "severity": "info"}
    alert = NotifiedAlert(
        fingerprint="",
        name=ALERT,
        severity="info",
        status=MessageStatus.FIRING,
        summary=summary,
        labels=labels,
        annotations={"summary": summary},
        starts_at=now,
    )
    return AlertMessage(
        notification_id=f"heartbeat-{int(now.timestamp() * 1000)}",
        receiver=settings.receiver,
        group_key=HEARTBEAT,
        group_labels={"alertname": ALERT},
        status=MessageStatus.FIRING,
        reason=HEARTBEAT,
        created_at=now,
        alerts=(alert,),
        workspace=workspace,
    )
