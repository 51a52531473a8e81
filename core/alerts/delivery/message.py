"""The message of a notification: all that a channel may say, as plain values, stored until it is delivered."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from core.alerts.alert import Alert, AlertState, AlertValue, Severity

MOST_ALERTS = 200
"""How many alerts one message holds; the rest is counted."""
_OF_PATTERNS = str.maketrans({character: f"\\{character}" for character in "\\.+*?()|[]{}^$"})


class MessageStatus(StrEnum):
    """What a message says about its alerts."""

    FIRING = "firing"  # at least one fires
    ACKNOWLEDGED = "acknowledged"  # a person took them; not told to webhooks
    RESOLVED = "resolved"


class NotifiedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert of a message, as it was when the message was made."""

    fingerprint: str
    name: str
    severity: str
    status: MessageStatus
    summary: str
    description: str = ""
    value: AlertValue | None = None
    threshold: AlertValue | None = None
    labels: dict[str, str] = {}  # as routing has them
    annotations: dict[str, str] = {}
    starts_at: datetime
    ends_at: datetime | None = None
    taken_by: str = ""  # who acknowledged it; "" if nobody has
    suspect: str = ""  # the version that it is about, and where it stands: "spread 1.2.0 is live."
    advice: str = ""
    runbook_url: str = ""
    generator_url: str = ""

    @property
    def is_firing(self) -> bool:
        """Whether the problem persists."""
        return self.status is not MessageStatus.RESOLVED

    @property
    def acknowledge_command(self) -> str:
        """The command that acknowledges it."""
        return f"bondx alerts acknowledge {self.fingerprint}"


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A notification in words for one receiver."""

    notification_id: str
    receiver: str
    group_key: str
    group_labels: dict[str, str] = {}
    status: MessageStatus
    reason: str  # first, changed, repeat, resolved, escalation, heartbeat, test
    created_at: datetime
    alerts: tuple[NotifiedAlert, ...]
    n_truncated: int = 0
    workspace: str = ""
    may_repeat: bool = False  # an engine died while it sent this: it may have arrived already

    @property
    def receiver_pattern(self) -> str:
        """The receiver as templates and webhooks of Alertmanager have it, which it quotes as a regular expression.

        Source:
            Alertmanager, `template.Data`; `regexp.QuoteMeta` of Go.
        """
        return self.receiver.translate(_OF_PATTERNS)

    @property
    def firing(self) -> list[NotifiedAlert]:
        """The alerts that fire."""
        return [alert for alert in self.alerts if alert.is_firing]

    @property
    def resolved(self) -> list[NotifiedAlert]:
        """The alerts that ended."""
        return [alert for alert in self.alerts if not alert.is_firing]

    @property
    def severity(self) -> str:
        """The worst severity among its alerts, of those that fire if any does."""
        known = {str(severity): severity.rank for severity in Severity}
        found = [alert.severity for alert in self.firing or self.alerts]
        return max(found, key=lambda severity: known.get(severity, -1), default=str(Severity.INFO))

    def common(self, kind: str) -> dict[str, str]:
        """Return the labels or annotations that all of its alerts share.

        Args:
            kind: `labels` or `annotations`.
        """
        each: list[Mapping[str, str]] = [getattr(alert, kind) for alert in self.alerts]
        return {name: text for name, text in each[0].items() if all(m.get(name) == text for m in each)} if each else {}


class RoutedNotification(Protocol):
    """What delivery reads of a notification of `core.alerts.routing`."""

    @property
    def receiver(self) -> str:
        """The name of the receiver."""

    @property
    def group_key(self) -> str:
        """The identity of the group."""

    @property
    def group_labels(self) -> Mapping[str, str]:
        """The labels by which it was grouped."""

    @property
    def alerts(self) -> Sequence[Alert]:
        """Its alerts, firing and resolved."""

    @property
    def reason(self) -> str:
        """Why it is sent now."""


def message_of(
    notification: RoutedNotification,
    *,
    now: datetime,
    workspace: str = "",
    suspect_of: Callable[[Alert], str] = lambda _: "",
) -> AlertMessage:
    """Put a notification into words.

    Args:
        notification: From the dispatcher.
        now: The time.
        workspace: The name of the workspace, for readers of several.
        suspect_of: Says in words which version an alert is about and where it stands; empty if it is about none.
    """
    open_first = sorted(notification.alerts, key=lambda alert: (not alert.state.is_open, -alert.severity.rank))
    alerts = tuple(notified(alert, suspect_of(alert)) for alert in open_first[:MOST_ALERTS])
    is_firing = any(alert.state.is_open for alert in notification.alerts)
    return AlertMessage(
        notification_id=notification_id(notification, now),
        receiver=notification.receiver,
        group_key=notification.group_key,
        group_labels=dict(notification.group_labels),
        status=MessageStatus.FIRING if is_firing else MessageStatus.RESOLVED,
        reason=str(notification.reason),
        created_at=now,
        alerts=alerts,
        n_truncated=max(0, len(notification.alerts) - MOST_ALERTS),
        workspace=workspace,
    )


def notification_id(notification: RoutedNotification, now: datetime) -> str:
    """Return the identity of a notification: of its receiver, group, content and time."""
    import hashlib

    states = sorted(f"{alert.fingerprint}:{alert.n_fired}:{alert.state}" for alert in notification.alerts)
    words = (notification.receiver, notification.group_key, str(notification.reason), now.isoformat(), *states)
    return hashlib.sha256("\x1e".join(words).encode()).hexdigest()[:16]


def notified(alert: Alert, suspect: str) -> NotifiedAlert:
    """Put one alert into plain values.

    Args:
        alert: The alert.
        suspect: The version that it is about, in words.
    """
    annotations = alert.annotations
    states = {AlertState.RESOLVED: MessageStatus.RESOLVED, AlertState.ACKNOWLEDGED: MessageStatus.ACKNOWLEDGED}
    return NotifiedAlert(
        fingerprint=alert.fingerprint,
        name=alert.name,
        severity=str(alert.severity),
        status=states.get(alert.state, MessageStatus.FIRING),
        summary=alert.summary,
        description=annotations.get("description", ""),
        value=alert.value,
        threshold=alert.threshold,
        labels=alert.routing_labels,
        annotations={"summary": alert.summary, **annotations},
        starts_at=alert.first_at,
        ends_at=alert.resolved_at,
        taken_by=(alert.acknowledged_by or "") if alert.is_acknowledged else "",
        suspect=suspect,
        advice=alert.advice,
        runbook_url=annotations.get("runbook_url", ""),
        generator_url=alert.generator_url,
    )
