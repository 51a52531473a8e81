"""The alert: one document for each problem, identified by its fingerprint."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec

FLAP_WINDOW = timedelta(minutes=30)
"""An alert that fires again within this time of its last firing's end continues the same incident."""
FLAPS = 2
"""How often a problem must come back within one incident to be called flapping: its third firing."""
FLAP_CALM = timedelta(minutes=10)
"""How long the condition of a flapping alert must have ended before the alert resolves."""
MAX_FIRINGS = 20
MAX_COMMENTS = 50
MAX_COMMENT = 1_000
EXTERNAL = "external"
"""The source of an alert that another program sent."""
EXTERNAL_PREFIX = "external:"
_MACHINE_RULES = frozenset({"cpu_high", "memory_high", "disk_high", "disk_filling"})
"""Before the name of an external alert in its rule, so that it is never taken for an alert of ours."""


AlertValue: TypeAlias = float | Literal["+Inf", "-Inf", "NaN"]
"""The value of an alert; JSON has no spelling for some numbers, which are spelled as Prometheus does."""


class Severity(StrEnum):
    """The urgency of an alert."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Order severities; the worst is the greatest."""
        return tuple(Severity).index(self)


class AlertState(StrEnum):
    """The state of an alert in its life cycle."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"

    @property
    def is_open(self) -> bool:
        """Whether the problem persists, as far as is known."""
        return self in (AlertState.FIRING, AlertState.ACKNOWLEDGED)


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    """A note of a person about an alert."""

    at: datetime
    by: str
    text: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One present or past problem. A later firing of the same problem updates the same document."""

    fingerprint: str
    rule: str
    severity: Severity
    state: AlertState
    summary: str  # the problem, with the value and its limit
    advice: str = ""  # the operator's next step
    labels: dict[str, str] = {}
    value: AlertValue | None = None
    threshold: AlertValue | None = None
    first_at: datetime  # start of the current firing
    last_at: datetime  # when the condition was last seen to hold; at most a minute old while it holds
    n_fired: int = 1
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None  # None while it is open, and once its condition ended
    annotations: dict[str, str] = {}  # of a rule file, templates expanded: summary, description, runbook_url
    source: str = ""  # "" for a built-in rule, "rules:FILE:GROUP", or "external"
    expr: str = ""  # the expression of a rule file
    generator_url: str = ""  # where an external alert was made
    ends_at: datetime | None = None  # when an external alert is over, unless its sender says more until then
    firings: list[datetime] = []  # the newest firings of this incident, oldest first, at most `MAX_FIRINGS`
    n_flaps: int = 0  # how often the problem came back within this incident
    incident_at: datetime | None = None  # start of the incident, which a flapping alert spans; None in old documents
    untaken_at: datetime | None = None  # since when nobody has acknowledged the incident; None in old documents
    snoozed_until: datetime | None = None
    snoozed_by: str | None = None
    comments: list[Comment] = []
    outlasted: bool = False  # its condition still held when a person resolved it, and has not ended since
    updated_by: str = ""
    updated_at: datetime | None = None
    decided_revision: int = 0  # the revision of the last change of state; later revisions only confirm it
    revision: int = 0

    @property
    def full_name(self) -> str:
        """The rule with the labels, as the audit log has it: several alerts of one rule differ only by their labels."""
        labels = ",".join(f"{name}={value}" for name, value in sorted(self.labels.items()))
        return f"{self.rule}{{{labels}}}" if labels else self.rule

    @property
    def brief_name(self) -> str:
        """What people call the alert, with the labels that do not repeat its name and its severity."""
        said = {"alertname", "severity"}
        labels = ",".join(f"{name}={value}" for name, value in sorted(self.labels.items()) if name not in said)
        return f"{self.name}{{{labels}}}" if labels else self.name

    @property
    def untaken_since(self) -> datetime:
        """Since when the incident waits for somebody: its start, or the first firing after an acknowledged one."""
        return self.untaken_at or self.incident_at or self.first_at

    @property
    def is_flapping(self) -> bool:
        """Whether the problem came back so often that its firings are one incident."""
        return self.n_flaps >= FLAPS

    @property
    def is_acknowledged(self) -> bool:
        """Whether a person has taken the alert: it notifies nobody until it is resolved."""
        return self.state is AlertState.ACKNOWLEDGED

    def is_snoozed(self, now: datetime) -> bool:
        """Whether a person has put off the alert until after now; this ends by itself."""
        return self.state.is_open and self.snoozed_until is not None and now < self.snoozed_until

    def is_muted(self, now: datetime) -> bool:
        """Whether a person's decision about this alert keeps its notifications back."""
        return self.is_acknowledged or self.is_snoozed(now)

    @property
    def name(self) -> str:
        """What people call the alert, and matchers `alertname`: the rule, or the name that its sender gave it."""
        return self.rule.removeprefix(EXTERNAL_PREFIX) if self.is_external else self.rule

    @property
    def is_external(self) -> bool:
        """Whether another program sent the alert."""
        return self.source == EXTERNAL

    @property
    def routing_labels(self) -> dict[str, str]:
        """The labels that routes, silences and filters match.

        Those of an external alert are exactly those that were sent, and those of a rule file are those that a
        Prometheus would send: without a severity that nobody gave.
        """
        if self.is_external:
            return dict(self.labels)
        if self.source:
            return {**self.labels, "alertname": self.rule}
        return {"alertname": self.rule, "severity": str(self.severity), **self.labels}

    def is_routed_like(self, other: "Alert") -> bool:
        """Whether an earlier or later state of the same alert has the same labels for routes and silences."""
        return self is other or (
            self.labels == other.labels and self.severity == other.severity and self.source == other.source
        )

    @property
    def is_of_machine(self) -> bool:
        """Whether the alert is about the machine, and not about a file, the engine or a labelled object."""
        return not self.labels and self.rule in _MACHINE_RULES


def fingerprint_of(rule: str, labels: Mapping[str, str]) -> str:
    """Return the identity of a problem: the same rule and labels are the same problem, in any order.

    >>> fingerprint_of("gate_failed", {"a": "1", "b": "2"}) == fingerprint_of("gate_failed", {"b": "2", "a": "1"})
    True
    """
    import hashlib  # a screen that only shows an alert does not need it

    parts = [rule, *(f"{name}\x1f{labels[name]}" for name in sorted(labels))]
    return hashlib.sha256("\x1e".join(parts).encode()).hexdigest()[:16]


def alert_value(value: float) -> AlertValue:
    """Return a number as the value of an alert.

    >>> [alert_value(value) for value in (0.5, math.inf, -math.inf, math.nan)]
    [0.5, '+Inf', '-Inf', 'NaN']
    """
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def value_words(value: AlertValue) -> str:
    """Spell the value of an alert with six digits.

    >>> value_words(0.1234567), value_words("+Inf")
    ('0.123457', '+Inf')
    """
    return value if isinstance(value, str) else f"{value:.6g}"
