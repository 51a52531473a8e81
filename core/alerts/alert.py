"""What an alert is: one document per thing that is wrong, found again by its fingerprint."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How much a night's sleep it is worth."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Order severities; the worst is the greatest."""
        return tuple(Severity).index(self)


class AlertState(StrEnum):
    """Where an alert is in its life."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"

    @property
    def is_open(self) -> bool:
        """Whether the thing is still wrong, for all we know."""
        return self in (AlertState.FIRING, AlertState.ACKNOWLEDGED)


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is, or was, wrong. A later firing of the same thing is the same document."""

    fingerprint: str
    rule: str
    severity: Severity
    state: AlertState
    summary: str  # what, and the value beside its limit
    advice: str = ""  # what to do about it
    labels: dict[str, str] = {}
    value: float | None = None
    threshold: float | None = None
    first_at: datetime  # since when it is wrong, this time
    last_at: datetime  # when it was last seen to hold; at most a minute old while it does
    n_fired: int = 1
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    updated_by: str = ""
    updated_at: datetime | None = None
    decided_revision: int = 0  # the revision at which the state last changed; later ones only say "still so"
    revision: int = 0

    @property
    def is_of_machine(self) -> bool:
        """Whether the alert is about the machine, and not about a session, a model or another labelled object."""
        return not self.labels


def fingerprint_of(rule: str, labels: Mapping[str, str]) -> str:
    """Name the thing that is wrong: the same rule and labels are the same thing, in whatever order.

    >>> fingerprint_of("gate_failed", {"a": "1", "b": "2"}) == fingerprint_of("gate_failed", {"b": "2", "a": "1"})
    True
    """
    import hashlib  # whoever only shows an alert does not need it

    parts = [rule, *(f"{name}\x1f{labels[name]}" for name in sorted(labels))]
    return hashlib.sha256("\x1e".join(parts).encode()).hexdigest()[:16]
