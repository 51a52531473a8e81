"""The log of notifications as people read it: one line for each attempt."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from core.alerts.delivery.outbox import Outbox
from core.alerts.delivery.receivers import Receivers
from core.alerts.delivery.records import Delivery, NotificationState

if TYPE_CHECKING:
    from core.state import Workspace


class NotificationLine(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to tell a receiver, or a message that waits for its first."""

    at: datetime
    receiver: str
    channel: str
    addressee: str
    reason: str
    status: str
    result: str  # delivered, failed, unknown, queued, superseded, expired
    detail: str
    headline: str
    alerts: tuple[str, ...]
    notification_id: str


class ReceiverChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel of a receiver, and how it works."""

    receiver: str
    channel: str
    kind: str
    state: str  # unused, works, failing, dead
    last_delivered_at: datetime | None = None
    last_error: str = ""
    n_delivered: int = 0
    n_failed: int = 0
    routing_problem: str = ""  # why the routing file cannot be used, and what is in force instead


def notification_lines(deliveries: Iterable[Delivery]) -> Iterator[NotificationLine]:
    """Yield the log of deliveries, each attempt with its result, oldest first."""
    lines = [line for delivery in deliveries for line in _lines_of(delivery)]
    yield from sorted(lines, key=lambda line: line.at)


def notifications_of(workspace: "Workspace", fingerprint: str | None = None) -> list[NotificationLine]:
    """Return the log of a workspace.

    Args:
        workspace: The workspace.
        fingerprint: Only what told of this alert.
    """
    outbox = Outbox(workspace)
    return [*notification_lines(outbox.all() if fingerprint is None else outbox.of_alert(fingerprint))]


def receiver_channels(outbox: Outbox, receivers: Receivers, routing_problem: str = "") -> list[ReceiverChannel]:
    """Return every channel of every receiver, and how it works.

    Args:
        outbox: Where the deliveries are.
        receivers: The receivers in force.
        routing_problem: Why the routing file cannot be used; empty while it can.
    """
    health = outbox.health()
    found = []
    for each in receivers.all():
        known = health.get(each.target.channel)
        if known is None:
            state = "unused"
        elif known.is_open:
            state = "dead"
        else:
            state = "failing" if known.n_failures or known.has_lost else "works"
        found.append(
            ReceiverChannel(
                receiver=each.target.receiver,
                channel=each.target.channel,
                kind=each.target.kind,
                state=state,
                last_delivered_at=known.last_delivered_at if known else None,
                last_error=known.last_error if known else "",
                n_delivered=known.n_delivered if known else 0,
                n_failed=known.n_failed if known else 0,
                routing_problem=routing_problem,
            )
        )
    return found


def _lines_of(delivery: Delivery) -> Iterator[NotificationLine]:
    for attempt in delivery.attempts:
        yield _line(delivery, attempt.at, attempt.result, attempt.detail)
    if delivery.state in (NotificationState.SUPERSEDED, NotificationState.EXPIRED) or (
        delivery.state is NotificationState.QUEUED and not delivery.attempts
    ):
        yield _line(delivery, delivery.ended_at or delivery.created_at, str(delivery.state), "")


def _line(delivery: Delivery, at: datetime, result: str, detail: str) -> NotificationLine:
    instead = f"instead of {delivery.instead_of}" if delivery.instead_of else ""
    return NotificationLine(
        at=at,
        receiver=delivery.receiver,
        channel=delivery.channel,
        addressee=delivery.addressee,
        reason=delivery.reason,
        status=delivery.status,
        result=result,
        detail="; ".join(filter(None, (detail, instead))),
        headline=delivery.headline,
        alerts=(*delivery.firing, *delivery.resolved),
        notification_id=delivery.notification_id,
    )
