"""The silence: which alerts it hides, from when to when, who made it and why."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from core.alerts.alert import Alert
from core.alerts.selecting import AlertMatcher


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """One silence, pending, active or over."""

    silence_id: str
    matchers: tuple[AlertMatcher, ...]
    created_by: str
    comment: str
    created_at: datetime
    starts_at: datetime
    ends_at: datetime
    expired_by: str | None = None  # who ended it before its time
    revision: int = 0

    def is_active(self, now: datetime) -> bool:
        """Whether it hides alerts now."""
        return self.starts_at <= now < self.ends_at

    def is_over(self, now: datetime) -> bool:
        """Whether it has ended."""
        return now >= self.ends_at

    def state(self, now: datetime) -> str:
        """Return "pending", "active" or "expired", as Alertmanager names them."""
        return "active" if self.is_active(now) else "expired" if self.is_over(now) else "pending"

    def hides(self, alert: Alert) -> bool:
        """Whether its matchers accept an alert, at whatever time."""
        return self.accepts(alert.routing_labels)

    def accepts(self, labels: Mapping[str, str]) -> bool:
        """Whether its matchers accept the labels of an alert."""
        return all(matcher.accepts_value(labels.get(matcher.name, "")) for matcher in self.matchers)

    @property
    def matcher_text(self) -> str:
        """Its matchers as they are written."""
        return ", ".join(map(str, self.matchers))
