"""The documents of webhooks: what each program must still be told, and was told."""

from datetime import datetime
from enum import StrEnum

import msgspec

from core.files import digest


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
    body: str  # the bytes that are signed and sent, the same in every attempt; empty once there is no next one
    body_sha256: str = ""  # of these bytes, once they are gone
    n_body_bytes: int = 0
    state: DeliveryState = DeliveryState.PENDING
    created_at: datetime
    n_attempts: int = 0
    next_at: datetime
    last_status: int | None = None
    problem: str = ""
    ended_at: datetime | None = None
    revision: int = 0

    def without_body(self) -> "WebhookDelivery":
        """Return it as it stays on record: what it was about, and the hash of what was told, not the words.

        A body may quote tags, descriptions and names of columns, which nobody who lists deliveries has to read.
        """
        if not self.body:
            return self
        content = self.body.encode()
        return msgspec.structs.replace(self, body="", body_sha256=digest(content), n_body_bytes=len(content))


class WebhookCursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far a webhook has followed the audit log."""

    webhook: str
    sequence: int
    revision: int = 0
