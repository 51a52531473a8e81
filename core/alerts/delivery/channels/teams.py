"""Microsoft Teams: an adaptive card to the webhook of a workflow.

Source:
    Microsoft Learn, "Create incoming webhooks with Workflows", and the Adaptive Cards schema 1.4.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.http import HttpOptions, post_json
from core.alerts.delivery.message import AlertMessage, NotifiedAlert
from core.alerts.delivery.secret import Secrets
from core.alerts.delivery.wording import MOST_SHOWN, Fact, facts, footers, headline, is_web_address

_MOST_BYTES: Final = 27_000  # of the 28 KB that Teams takes
_COLOURS: Final = {"critical": "attention", "warning": "warning", "info": "accent"}


class TeamsChannel:
    """Posts one card; Teams knows no identity of a message, so a repetition says that it may be one."""

    kind: ClassVar[str] = "teams"
    can_deduplicate: ClassVar[bool] = False
    tracks_incidents: ClassVar[bool] = False
    addressee = "Teams"

    def __init__(self, fields: Mapping[str, Any], secrets: Secrets, place: str) -> None:
        """Read the block `msteamsv2_configs` or `msteams_configs`.

        Raises:
            DeliveryError: There is no webhook, or a secret cannot be read.
        """
        url = secrets.address(fields, "webhook_url")
        if url is None:
            raise DeliveryError(f"{place}: Teams needs webhook_url or webhook_url_file, of a workflow.")
        self._url = url
        self._secrets = secrets
        self._options = HttpOptions.of(fields.get("http_config") or {}, secrets, place)

    def send(self, message: AlertMessage, *, timeout_seconds: float) -> Delivered:
        """Post one card; see `Channel.send`."""
        reply = post_json(
            self._url,
            teams_document(message),
            secrets=self._secrets,
            timeout_seconds=timeout_seconds,
            options=self._options,
        )
        return Delivered(f"HTTP {reply.status}")


def teams_document(message: AlertMessage) -> dict[str, Any]:
    """Return a message as a card, of as many alerts as Teams takes."""
    for n_alerts in range(min(MOST_SHOWN, len(message.alerts)), 0, -1):
        document = _document(message, message.alerts[:n_alerts])
        if len(msgspec.json.encode(document)) <= _MOST_BYTES:
            return document
    return _document(message, ())


def _document(message: AlertMessage, alerts: tuple[NotifiedAlert, ...]) -> dict[str, Any]:
    colour = _COLOURS.get(message.severity, "default") if message.firing else "good"
    body: list[dict[str, Any]] = [_block(headline(message), weight="bolder", size="medium", color=colour)]
    for alert in alerts:
        body.append({"type": "FactSet", "facts": [_fact(fact) for fact in facts(alert)], "separator": True})
    if len(alerts) < min(MOST_SHOWN, len(message.alerts)):
        body.append(_block(f"{len(message.alerts) - len(alerts)} more: bondx alerts list", isSubtle=True))
    body += [_block(line, isSubtle=True) for line in footers(message)]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "msteams": {"width": "Full"},
    }
    links = {alert.runbook_url: alert for alert in alerts if is_web_address(alert.runbook_url)}
    if links:
        card["actions"] = [
            {"type": "Action.OpenUrl", "title": f"Runbook: {alert.name}", "url": url}
            for url, alert in list(links.items())[:5]
        ]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _block(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": card_text(text), "wrap": True, **style}


def _fact(fact: Fact) -> dict[str, str]:
    return {"title": fact.name, "value": fact.text if fact.is_link else card_text(fact.text)}


def card_text(text: str) -> str:
    """Escape a text for a card, which reads a part of Markdown.

    >>> card_text("[x](http://y) *z*")
    '\\\\[x\\\\](http://y) \\\\*z\\\\*'
    """
    for sign in "\\`*_[]":
        text = text.replace(sign, f"\\{sign}")
    return text
