"""PagerDuty, Events API v2: one incident for each group, triggered, acknowledged and resolved by its dedup_key.

Source:
    PagerDuty developer documentation, "PD-CEF" and "Send an Alert Event" (fields, limits and severities).
"""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.http import HttpOptions, post_json
from core.alerts.delivery.message import AlertMessage, MessageStatus, NotifiedAlert
from core.alerts.delivery.secret import Secret, Secrets
from core.alerts.delivery.wording import MOST_SHOWN, facts, footers, headline, is_web_address, one_line
from core.clock import to_iso

_URL: Final = "https://events.pagerduty.com/v2/enqueue"
_MOST_SUMMARY: Final = 1_024
_SEVERITIES: Final = frozenset({"critical", "error", "warning", "info"})
_ACTIONS: Final = {
    MessageStatus.FIRING: "trigger",
    MessageStatus.ACKNOWLEDGED: "acknowledge",
    MessageStatus.RESOLVED: "resolve",
}


class PagerDutyChannel:
    """Sends events; PagerDuty takes events with the same dedup_key for one incident."""

    kind: ClassVar[str] = "pagerduty"
    can_deduplicate: ClassVar[bool] = True
    tracks_incidents: ClassVar[bool] = True
    addressee = "PagerDuty"

    def __init__(self, fields: Mapping[str, Any], secrets: Secrets, place: str) -> None:
        """Read the block `pagerduty_configs`.

        Raises:
            DeliveryError: There is no routing key, or a secret cannot be read.
        """
        key = secrets.field(fields, "routing_key")
        if key is None:
            is_old = bool(fields.get("service_key") or fields.get("service_key_file"))
            reason = "service_key is of the Events API v1" if is_old else "there is none"
            raise DeliveryError(f"{place}: PagerDuty needs routing_key or routing_key_file; {reason}.")
        self._key = key
        self._secrets = secrets
        self._url = secrets.address(fields, "url", is_secret=False) or Secret(_URL)
        self._options = HttpOptions.of(fields.get("http_config") or {}, secrets, place)
        self._source = str(fields.get("source") or fields.get("client") or "")

    def send(self, message: AlertMessage, *, timeout_seconds: float) -> Delivered:
        """Send one event; see `Channel.send`."""
        event = pagerduty_event(message, source=self._source if "{{" not in self._source else "")
        reply = post_json(
            self._url,
            {"routing_key": self._key.reveal(), **event},
            secrets=self._secrets,
            timeout_seconds=timeout_seconds,
            options=self._options,
        )
        return Delivered(f"{event['event_action']}, HTTP {reply.status}", str(event["dedup_key"]))


def dedup_key(message: AlertMessage) -> str:
    """Return the identity of the incident of a group."""
    return hashlib.sha256(f"{message.receiver}\x1f{message.group_key}".encode()).hexdigest()


def pagerduty_event(message: AlertMessage, *, source: str = "") -> dict[str, Any]:
    """Return a message as an event without its routing key.

    Args:
        message: The message.
        source: The affected system; by default the workspace.
    """
    event: dict[str, Any] = {"event_action": _ACTIONS[message.status], "dedup_key": dedup_key(message)}
    if message.status is not MessageStatus.FIRING:
        return event
    shown = [*message.firing, *message.resolved][:MOST_SHOWN]
    first = message.firing[0]
    links = {alert.runbook_url: alert for alert in shown if is_web_address(alert.runbook_url)}
    event |= {
        "payload": {
            "summary": headline(message)[:_MOST_SUMMARY],
            "source": source or message.workspace or "bondx",
            "severity": message.severity if message.severity in _SEVERITIES else "error",
            "timestamp": to_iso(min(alert.starts_at for alert in message.firing)),
            "component": one_line(first.labels.get("model") or first.labels.get("session") or "engine"),
            "group": message.receiver,
            "class": first.name,
            "custom_details": _details(message, shown),
        },
        "client": "BondX Console",
        "links": [{"href": href, "text": f"Runbook: {alert.name}"} for href, alert in links.items()],
    }
    return event


def _details(message: AlertMessage, shown: list[NotifiedAlert]) -> dict[str, Any]:
    details: dict[str, Any] = {
        "num_firing": str(len(message.firing)),
        "num_resolved": str(len(message.resolved)),
        "alerts": [{fact.name.lower().replace(" ", "_"): fact.text for fact in facts(alert)} for alert in shown],
    }
    if notes := [*footers(message)]:
        details["notes"] = notes
    return details
