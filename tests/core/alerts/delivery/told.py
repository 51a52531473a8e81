"""What tests of delivery are built from: a routing file, a notification, a message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from core.alerts import Alert, AlertState, Severity, fingerprint_of
from core.alerts.delivery.message import AlertMessage, message_of
from core.alerts.delivery.receivers import Receivers
from core.promql.template_reading import NO_LIBRARY, TemplateLibrary
from core.settings import AlertSettings
from tests.clocks import START


@dataclass(frozen=True)
class Block:
    kind: str
    fields: Mapping[str, Any]
    place: str = "alertmanager.yml:7:5"
    lacks_secret: bool = False


@dataclass(frozen=True)
class Named:
    name: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Routing:
    """What delivery reads of a routing file."""

    receivers: Mapping[str, Named]
    file: Path = Path("alertmanager.yml")
    is_private: bool = False
    global_fields: Mapping[str, Any] = field(default_factory=dict)
    library: TemplateLibrary = NO_LIBRARY
    unmatched: Sequence[str] = ()


@dataclass(frozen=True)
class Told:
    """A notification of the dispatcher."""

    alerts: Sequence[Alert]
    receiver: str = "ops"
    group_key: str = "{}:{}"
    group_labels: Mapping[str, str] = field(default_factory=dict)
    reason: str = "first"


def an_alert(rule: str = "gate_failed", state: AlertState = AlertState.FIRING, **changes: Any) -> Alert:
    """Return an alert about a model."""
    labels = changes.pop("labels", {"model": "spread", "version": "1.2.0"})
    known: dict[str, Any] = {
        "fingerprint": fingerprint_of(rule, labels),
        "rule": rule,
        "severity": Severity.CRITICAL,
        "state": state,
        "summary": "coverage is 80.0%, below 95.0%",
        "advice": "Look at the data.",
        "labels": labels,
        "value": 80.0,
        "threshold": 95.0,
        "first_at": START,
        "last_at": START,
    }
    if state is AlertState.RESOLVED:
        known["resolved_at"] = START + timedelta(minutes=5)
    return Alert(**{**known, **changes})


def a_message(*alerts: Alert, **changes: Any) -> AlertMessage:
    """Return a message about alerts."""
    now = changes.pop("now", START)
    told = Told(alerts or (an_alert(),), **changes)
    return message_of(told, now=now, workspace="desk", suspect_of=lambda _: "spread 1.2.0 is live.")


def receivers_of(workspace: Any, *blocks: Block, settings: AlertSettings | None = None, **routing: Any) -> Receivers:
    """Return the receivers of a routing file with one receiver."""
    return Receivers(workspace, settings or AlertSettings(), Routing({"ops": Named("ops", blocks)}, **routing))
