"""What is kept of deliveries: one document for each notification and channel, and one for each channel's health."""

from datetime import datetime
from enum import StrEnum

import msgspec

from core.alerts.delivery.message import AlertMessage


class NotificationState(StrEnum):
    """Where the delivery of one notification to one channel stands."""

    QUEUED = "queued"  # waits for its first or its next attempt
    SENDING = "sending"  # an attempt began; found by a new engine, nothing is known about its result
    DELIVERED = "delivered"
    FAILED = "failed"  # given up
    SUPERSEDED = "superseded"  # not sent, because a later message of its group has news of all its alerts
    EXPIRED = "expired"  # not sent in the time in which it had a meaning, as a heartbeat

    @property
    def is_pending(self) -> bool:
        """Whether it is still to be sent."""
        return self in (NotificationState.QUEUED, NotificationState.SENDING)


class DeliveryAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to send a message."""

    at: datetime
    ended_at: datetime | None = None
    result: str = "unknown"  # delivered, failed; unknown if the engine died meanwhile
    detail: str = ""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One notification on its way to one channel. The message is kept until it is delivered or given up."""

    delivery_id: str
    notification_id: str
    receiver: str
    channel: str  # the name of the channel: "ops/email 1"
    kind: str
    addressee: str = ""
    group_key: str
    reason: str
    status: str
    headline: str
    firing: tuple[str, ...] = ()  # fingerprints
    resolved: tuple[str, ...] = ()
    state: NotificationState = NotificationState.QUEUED
    created_at: datetime
    ended_at: datetime | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    n_attempts: int = 0
    attempts: tuple[DeliveryAttempt, ...] = ()  # the newest
    alternatives: tuple[str, ...] = ()  # the channels that take over if this one is dead, the next first
    instead_of: str = ""  # the dead channel for which this one took over
    message: AlertMessage | None = None
    revision: int = 0

    def is_about(self, fingerprint: str) -> bool:
        """Whether it tells of an alert."""
        return fingerprint in self.firing or fingerprint in self.resolved


class ChannelHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a channel works; its breaker is open while `is_open`."""

    channel: str
    receiver: str = ""
    kind: str = ""
    addressee: str = ""
    n_failures: int = 0  # in a row
    is_open: bool = False
    opened_at: datetime | None = None
    retry_at: datetime | None = None  # no attempt before
    last_delivered_at: datetime | None = None
    last_failed_at: datetime | None = None
    last_error: str = ""
    n_delivered: int = 0
    n_failed: int = 0
    has_lost: bool = False  # it refused a message for good, and has delivered none since
    revision: int = 0

    @property
    def is_failing(self) -> bool:
        """Whether an operator has to repair it: it is dead, or has refused a message for good."""
        return self.is_open or self.has_lost


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """A line that every attached console shows."""

    announcement_id: str
    at: datetime
    text: str
    severity: str = "info"
    rings: bool = False
    revision: int = 0


class ConsoleLog(msgspec.Struct, frozen=True, kw_only=True):
    """Of which firings the consoles were told: the number of the firing by fingerprint."""

    name: str = "consoles"
    told: dict[str, int] = {}
    revision: int = 0
