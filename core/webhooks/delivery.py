"""The documents of webhooks: what each program must still be told, and was told."""

from datetime import datetime
from enum import StrEnum

import msgspec


class DeliveryState(StrEnum):
    """What became of an event for one webhook."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one webhook."""

    delivery_id: str  # sent with every attempt, so that a receiver knows an event that it had already
    webhook: str
    event: str
    sequence: int  # of the record in the audit log
    object: str  # "spread/1.4.0"
    body: str  # the bytes that are signed and sent, the same in every attempt
    state: DeliveryState = DeliveryState.PENDING
    created_at: datetime
    n_attempts: int = 0
    next_at: datetime
    last_status: int | None = None
    problem: str = ""
    ended_at: datetime | None = None
    revision: int = 0


class WebhookCursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far a webhook has followed the audit log."""

    webhook: str
    sequence: int
    revision: int = 0
