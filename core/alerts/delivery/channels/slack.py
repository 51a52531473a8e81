"""Slack: blocks to an incoming webhook, or to chat.postMessage with a token.

Source:
    Slack API documentation: Block Kit reference (limits of header, section and context), "Formatting text for app
    surfaces" (the three characters that are escaped), chat.postMessage, "Sending messages using incoming webhooks".
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import msgspec

from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.http import HttpOptions, HttpReply, post_json
from core.alerts.delivery.message import AlertMessage, NotifiedAlert
from core.alerts.delivery.secret import Secrets
from core.alerts.delivery.templates import TemplatedField
from core.alerts.delivery.wording import Fact, facts, footers, headline
from core.json_documents import decode_json
from core.promql.template_reading import NO_LIBRARY, TemplateLibrary

_MOST_HEADER: Final = 150
_MOST_SECTION: Final = 3_000
_MOST_ALERTS: Final = 10  # two blocks each, of the 50 that a message may have
_API_URL: Final = "https://slack.com/api/chat.postMessage"
_COLOURS: Final = {"critical": "#d00000", "warning": "#e69f00", "info": "#439fe0"}
_RESOLVED: Final = "#2eb886"
_UNACCEPTABLE: Final = frozenset({"invalid_blocks", "invalid_blocks_format", "invalid_arguments", "msg_too_long"})


class _Answer(msgspec.Struct):
    ok: bool = True
    error: str = ""
    ts: str = ""


class SlackChannel:
    """Posts one message; Slack knows no identity of a message, so a repetition says that it may be one."""

    kind: ClassVar[str] = "slack"
    can_deduplicate: ClassVar[bool] = False
    tracks_incidents: ClassVar[bool] = False

    def __init__(
        self, fields: Mapping[str, Any], secrets: Secrets, place: str, library: TemplateLibrary = NO_LIBRARY
    ) -> None:
        """Read the block `slack_configs`.

        Raises:
            DeliveryError: There is neither a webhook nor a token, or a secret cannot be read.
        """
        self._secrets = secrets
        options = HttpOptions.of(fields.get("http_config") or {}, secrets, place)
        self._channel = TemplatedField(fields.get("channel"), place, "channel", library=library)
        looks = ("username", "icon_emoji", "icon_url")
        self._looks = {
            name: TemplatedField(fields.get(name), place, name, is_needed=False, library=library) for name in looks
        }
        if (token := secrets.field(fields, "app_token")) is not None:
            bearer = secrets.keep(f"Bearer {token.reveal()}")
            options = replace(options, authorization=bearer, basic=None, oauth2=None)
            url = secrets.address(fields, "app_url", is_secret=False) or secrets.keep(_API_URL)
        else:
            found = secrets.address(fields, "api_url")
            if found is None:
                raise DeliveryError(f"{place}: Slack needs api_url or api_url_file (or global.slack_api_url).")
            url = found
        self._url, self._options = url, options
        self._is_api = urlsplit(url.reveal()).path.endswith("/chat.postMessage")
        if self._is_api and not self._channel.written:
            raise DeliveryError(f"{place}: Slack's chat.postMessage needs channel.")

    @property
    def unused(self) -> list[str]:
        """The fields whose templates cannot be filled in, with the reason."""
        return [look.problem for look in self._looks.values() if look.problem]

    @property
    def addressee(self) -> str:
        """The channel of Slack."""
        return self._channel.written or "Slack"

    def send(self, message: AlertMessage, *, timeout_seconds: float) -> Delivered:
        """Post one message; see `Channel.send`."""
        body = slack_document(message, channel=self._channel.filled(message).strip())
        for name, look in self._looks.items():
            if filled := look.filled(message).strip():
                body[name] = filled
        reply = post_json(
            self._url, body, secrets=self._secrets, timeout_seconds=timeout_seconds, options=self._options
        )
        return self._checked(reply)

    def _checked(self, reply: HttpReply) -> Delivered:
        """Look into the answer of the API, which refuses with HTTP 200."""
        if not self._is_api:
            return Delivered(f"HTTP {reply.status}")
        try:
            answer = decode_json(reply.excerpt, _Answer)
        except (msgspec.DecodeError, msgspec.ValidationError):
            answer = _Answer(ok='"ok":true' in reply.excerpt.replace(" ", ""), error="an answer that is cut off")
        if not answer.ok:
            raise DeliveryError(f"Slack refused: {answer.error}.", is_permanent=answer.error in _UNACCEPTABLE)
        return Delivered(f"HTTP {reply.status}", answer.ts)


def slack_document(message: AlertMessage, *, channel: str = "") -> dict[str, Any]:
    """Return a message as blocks, and as the text that notifications on a phone show."""
    line = headline(message)
    alerts = message.alerts[:_MOST_ALERTS]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _plain(line), "emoji": False}}
    ]
    for alert in alerts:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": _section(alert)}})
        blocks.append({"type": "divider"})
    closing = [*footers(message)]
    if closing:
        text = "\n".join(map(mrkdwn, closing))[:_MOST_SECTION]
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]})
    colour = _COLOURS.get(message.severity, _COLOURS["info"]) if message.firing else _RESOLVED
    body: dict[str, Any] = {
        "text": mrkdwn(line),
        "attachments": [{"color": colour, "fallback": mrkdwn(line), "blocks": blocks}],
    }
    return {"channel": channel, **body} if channel else body


def _plain(text: str) -> str:
    """Return a text for an element that has no formatting, where escaped characters could be shown as they are."""
    return text.replace("<", "‹").replace(">", "›")[:_MOST_HEADER]


def _section(alert: NotifiedAlert) -> str:
    lines: list[str] = []
    for fact in facts(alert):
        line = _line(fact)
        if sum(map(len, lines)) + len(lines) + len(line) > _MOST_SECTION:
            room = _MOST_SECTION - sum(map(len, lines)) - len(lines) - 1
            if room > len(fact.name) + 20 and not (fact.is_link or fact.is_command):
                lines.append(_shortened(line, room))
            continue
        lines.append(line)
    return "\n".join(lines)


def _line(fact: Fact) -> str:
    if fact.is_link:
        return f"*{fact.name}*: <{mrkdwn(fact.text)}>"
    if fact.is_command:
        return f"*{fact.name}*: `{mrkdwn(fact.text)}`"
    return f"*{fact.name}*: {mrkdwn(fact.text)}"


def _shortened(line: str, most: int) -> str:
    """Cut a line, but not within an escaped character."""
    cut = line[: most - 1]
    return f"{cut[: cut.rindex('&')] if '&' in cut[-5:] and ';' not in cut[cut.rindex('&') :] else cut}…"


def mrkdwn(text: str) -> str:
    """Escape a text for Slack: no link, mention or channel can be made of it, and no formatting.

    >>> mrkdwn("<!channel> a & b"), mrkdwn("*bold* _x_ `y`") == "*bold* _x_ `y`"
    ('&lt;!channel&gt; a &amp; b', False)
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "*_~`":  # a joiner beside it keeps Slack from reading it as formatting
        text = text.replace(sign, f"{sign}\N{WORD JOINER}")
    return text
