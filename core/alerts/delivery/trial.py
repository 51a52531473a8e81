"""A test message to every channel of a receiver, sent at once by the process that asks for it."""

import dataclasses
from collections.abc import Iterator

from msgspec.structs import replace

from core.actor import Actor
from core.alerts.delivery.channel import Channel
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.message import AlertMessage, MessageStatus, NotifiedAlert
from core.alerts.delivery.outbox import Outbox, delivery_of
from core.alerts.delivery.receivers import ConfiguredChannel, Receivers
from core.alerts.delivery.records import Delivery, DeliveryAttempt, NotificationState
from core.clock import Clock, to_iso
from core.governance import require_access
from core.state import Workspace

TEST = "test"


def send_tests(
    outbox: Outbox,
    receivers: Receivers,
    receiver: str,
    *,
    actor: Actor,
    clock: Clock,
    timeout_seconds: float,
    workspace: Workspace,
) -> Iterator[Delivery]:
    """Send a test message to each channel of a receiver, and keep what happened in the log.

    An incident that a channel opens for the test is resolved at once. A channel that works again is used again.

    Args:
        outbox: Keeps the log.
        receivers: The receivers.
        receiver: The name of the receiver.
        actor: Who asks.
        clock: The time.
        timeout_seconds: How long each attempt may take.
        workspace: The workspace.

    Yields:
        What happened at each channel.

    Raises:
        AccessRefusedError: No role of the actor allows it.
        NotFoundError: There is no such receiver.
    """
    require_access(workspace, actor, "notification.test", object=receiver, clock=clock)
    message = _message(receiver, clock, workspace.root.name)
    for configured in receivers.get(receiver):
        yield _send(outbox, configured, message, clock=clock, timeout_seconds=timeout_seconds)


def _send(
    outbox: Outbox, configured: ConfiguredChannel, message: AlertMessage, *, clock: Clock, timeout_seconds: float
) -> Delivery:
    began, target = clock(), configured.target
    channel: Channel | None = None
    try:
        channel = configured.make()
        delivered = channel.send(message, timeout_seconds=timeout_seconds)
        if configured.tracks_incidents:
            ended = tuple(replace(each, status=MessageStatus.RESOLVED, ends_at=clock()) for each in message.alerts)
            resolved = replace(message, status=MessageStatus.RESOLVED, alerts=ended)
            channel.send(resolved, timeout_seconds=timeout_seconds)
        target = dataclasses.replace(target, addressee=channel.addressee)
        result, detail, state = "delivered", " ".join(filter(None, delivered)), NotificationState.DELIVERED
        outbox.note_success(target)
    except DeliveryError as error:
        result, detail, state = "failed", str(error), NotificationState.FAILED
        if channel is not None:  # else this process lacks a secret that the engine may have
            outbox.note_failure(target, error)
    attempt = DeliveryAttempt(at=began, ended_at=clock(), result=result, detail=detail)
    delivery = replace(
        delivery_of(message, target, began),
        state=state,
        ended_at=attempt.ended_at,
        n_attempts=1,
        attempts=(attempt,),
    )
    outbox.record(delivery)
    return delivery


def _message(receiver: str, clock: Clock, workspace: str) -> AlertMessage:
    now = clock()
    summary = "This is a test; no action is needed."
    alert = NotifiedAlert(
        fingerprint="",
        name="ReceiverTest",
        severity="info",
        status=MessageStatus.FIRING,
        summary=summary,
        labels={"alertname": "ReceiverTest", "severity": "info"},
        annotations={"summary": summary},
        starts_at=now,
    )
    return AlertMessage(
        notification_id=f"test-{to_iso(now)}",
        receiver=receiver,
        group_key=f"test:{to_iso(now)}",
        status=MessageStatus.FIRING,
        reason=TEST,
        created_at=now,
        alerts=(alert,),
        workspace=workspace,
    )
