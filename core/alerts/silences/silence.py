"""The silence: which alerts it hides, from when to when, who made it and why."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from core.alerts.alert import Alert
from core.alerts.selecting import AlertMatcher

ENDING_RULE: Final = "silence_ending"
"""The built-in rule that warns of the end of a silence, which its label `silence` names."""


def accepted(matchers: Sequence[AlertMatcher], labels: Mapping[str, str]) -> bool:
    """Whether all matchers accept the labels of an alert; a label that is missing counts as empty."""
    return all(matcher.accepts_value(labels.get(matcher.name, "")) for matcher in matchers)


def spelled(matchers: Sequence[AlertMatcher]) -> str:
    """Return matchers as they are written."""
    return ", ".join(map(str, matchers))


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
        """Whether its matchers accept the labels of an alert; the warning of its own end is never hidden."""
        warns_of_it = labels.get("alertname") == ENDING_RULE and labels.get("silence") == self.silence_id
        return not warns_of_it and accepted(self.matchers, labels)

    @property
    def matcher_text(self) -> str:
        """Its matchers as they are written."""
        return spelled(self.matchers)
