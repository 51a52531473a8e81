"""PagerDuty: one incident for each group, triggered, acknowledged and resolved by its key.

`routing_key` is of the Events API v2, `service_key` of the Events API v1.

Source:
    PagerDuty developer documentation, "PD-CEF" and "Send an Alert Event" (fields, limits and severities), and "Events
    API v1" (the same incident is triggered, acknowledged and resolved by its incident_key).
"""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.channels.pagerduty_words import MOST_SUMMARY, SEVERITIES, EventWords
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.http import HttpOptions, post_json
from core.alerts.delivery.message import AlertMessage, MessageStatus, NotifiedAlert
from core.alerts.delivery.secret import Secret, Secrets
from core.alerts.delivery.wording import MOST_SHOWN, facts, footers, headline, is_web_address, one_line
from core.clock import to_iso
from core.promql.template_reading import NO_LIBRARY, TemplateLibrary

_URL: Final = "https://events.pagerduty.com/v2/enqueue"
_URL_V1: Final = "https://events.pagerduty.com/generic/2010-04-15/create_event.json"
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

    def __init__(
        self, fields: Mapping[str, Any], secrets: Secrets, place: str, library: TemplateLibrary = NO_LIBRARY
    ) -> None:
        """Read the block `pagerduty_configs`.

        Raises:
            DeliveryError: There is no routing key, or a secret cannot be read.
        """
        key, of_v1 = secrets.field(fields, "routing_key"), secrets.field(fields, "service_key")
        if (key is None) == (of_v1 is None):
            reason = "there is none" if key is None else "there are both"
            raise DeliveryError(f"{place}: PagerDuty needs one of routing_key and service_key; {reason}.")
        self._is_v1 = of_v1 is not None
        self._key = key if key is not None else of_v1
        self._secrets = secrets
        given = secrets.address(fields, "url", is_secret=False)
        if self._is_v1 and given is not None and given.is_known and given.reveal().rstrip("/").endswith("/v2/enqueue"):
            given = None  # of `global`, and of the other API
        self._url = given or Secret(_URL_V1 if self._is_v1 else _URL)
        self._options = HttpOptions.of(fields.get("http_config") or {}, secrets, place)
        source = fields.get("source") or fields.get("client")
        self._words = EventWords.of({**fields, "source": source}, place, library)

    @property
    def unused(self) -> list[str]:
        """The fields whose templates cannot be filled in, with the reason."""
        return self._words.problems

    def send(self, message: AlertMessage, *, timeout_seconds: float) -> Delivered:
        """Send one event; see `Channel.send`."""
        assert self._key is not None
        event = self._words.laid_over(pagerduty_event(message), message)
        document = {"routing_key": self._key.reveal(), **event}
        if self._is_v1:
            document = {"service_key": self._key.reveal(), **event_of_v1(event)}
        reply = post_json(
            self._url,
            document,
            secrets=self._secrets,
            timeout_seconds=timeout_seconds,
            options=self._options,
        )
        return Delivered(f"{event['event_action']}, HTTP {reply.status}", str(event["dedup_key"]))


def event_of_v1(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of version 2 as one of version 1, without its service key.

    Args:
        event: As `pagerduty_event` makes it.
    """
    known = {"event_type": event["event_action"], "incident_key": event["dedup_key"]}
    if "payload" not in event:
        return known
    payload = event["payload"]
    details = {**payload["custom_details"], **{name: payload[name] for name in ("source", "severity", "component")}}
    contexts = [{"type": "link", **link} for link in event.get("links", ())]
    contexts += [{"type": "image", **image} for image in event.get("images", ())]
    return {
        **known,
        "description": payload["summary"],
        **{name: event[name] for name in ("client", "client_url") if name in event},
        "details": details,
        **({"contexts": contexts} if contexts else {}),
    }


def dedup_key(message: AlertMessage) -> str:
    """Return the identity of the incident of a group."""
    return hashlib.sha256(f"{message.receiver}\x1f{message.group_key}".encode()).hexdigest()


def pagerduty_event(message: AlertMessage) -> dict[str, Any]:
    """Return a message as an event without its routing key."""
    event: dict[str, Any] = {"event_action": _ACTIONS[message.status], "dedup_key": dedup_key(message)}
    if message.status is not MessageStatus.FIRING:
        return event
    shown = [*message.firing, *message.resolved][:MOST_SHOWN]
    first = message.firing[0]
    links = {alert.runbook_url: alert for alert in shown if is_web_address(alert.runbook_url)}
    event |= {
        "payload": {
            "summary": headline(message)[:MOST_SUMMARY],
            "source": message.workspace or "bondx",
            "severity": message.severity if message.severity in SEVERITIES else "error",
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
