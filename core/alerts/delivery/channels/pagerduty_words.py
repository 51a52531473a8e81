"""The words of an event that a block `pagerduty_configs` has of its own, in place of those of BondX.

Source:
    PagerDuty developer documentation, "PD-CEF" and "Send an Alert Event": lengths, severities, links and images.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.message import AlertMessage
from core.alerts.delivery.templates import TemplatedField
from core.alerts.delivery.wording import clean, is_web_address, one_line
from core.promql.template_reading import TemplateLibrary

MOST_SUMMARY: Final = 1_024
SEVERITIES: Final = frozenset({"critical", "error", "warning", "info"})
_PAYLOAD: Final = ("source", "component", "group", "class")
_LINK: Final = ("href", "text")
_IMAGE: Final = ("src", "alt", "href")
_MOST_LINKS: Final = 50


@dataclass(frozen=True, slots=True)
class EventWords:
    """The fields of a block, each of which may hold a template; one that is not written, or fails, leaves ours."""

    texts: Mapping[str, TemplatedField]
    details: Mapping[str, TemplatedField]
    links: tuple[Mapping[str, TemplatedField], ...]
    images: tuple[Mapping[str, TemplatedField], ...]

    @classmethod
    def of(cls, fields: Mapping[str, Any], place: str, library: TemplateLibrary) -> "EventWords":
        """Read the block.

        Args:
            fields: The block.
            place: Where it stands, for errors.
            library: The templates that it may call.
        Raises:
            DeliveryError: `details` is no block, or `links` or `images` no list of blocks.
        """

        def field(name: str, value: Any) -> TemplatedField:
            if isinstance(value, Mapping | list):
                raise DeliveryError(f"{place}: {name} must be text.")
            return TemplatedField(value, place, name, is_needed=False, library=library)

        def blocks(name: str, keys: tuple[str, ...]) -> tuple[Mapping[str, TemplatedField], ...]:
            given = fields.get(name) or []
            if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
                raise DeliveryError(f"{place}: {name} must be a list of blocks with {', '.join(keys)}.")
            return tuple({key: field(f"{name}.{key}", each.get(key)) for key in keys} for each in given[:_MOST_LINKS])

        details = fields.get("details") or {}
        if not isinstance(details, Mapping):
            raise DeliveryError(f"{place}: details must be `name: text` lines.")
        names = ("description", "severity", "client", "client_url", *_PAYLOAD)
        return cls(
            {name: field(name, fields.get(name)) for name in names},
            {str(name): field(f"details.{name}", _as_text(value)) for name, value in details.items()},
            blocks("links", _LINK),
            blocks("images", _IMAGE),
        )

    @property
    def problems(self) -> list[str]:
        """Why fields count as not written."""
        groups = (self.texts, self.details, *self.links, *self.images)
        return [field.problem for group in groups for field in group.values() if field.problem]

    def laid_over(self, event: Mapping[str, Any], message: AlertMessage) -> dict[str, Any]:
        """Return an event with these words; one that resolves or acknowledges has none.

        Args:
            event: As BondX words it.
            message: What the templates are filled in for.
        """
        if "payload" not in event:
            return dict(event)
        said = {name: one_line(text) for name, field in self.texts.items() if (text := field.filled(message).strip())}
        payload = dict(event["payload"])
        if summary := " ".join(self.texts["description"].filled(message).split()):
            payload["summary"] = clean(summary)[:MOST_SUMMARY]
        if said.get("severity", "").lower() in SEVERITIES:
            payload["severity"] = said["severity"].lower()
        payload |= {name: said[name] for name in _PAYLOAD if name in said}
        details = {name: clean(field.filled(message)) for name, field in self.details.items()}
        payload["custom_details"] = {**payload["custom_details"], **details}
        found = {**event, "payload": payload}
        if client := said.get("client"):
            found["client"] = client
        if is_web_address(address := said.get("client_url", "")):
            found["client_url"] = address
        if links := [*event.get("links", ()), *_filled(self.links, "href", message)]:
            found["links"] = links
        if images := list(_filled(self.images, "src", message)):
            found["images"] = images
        return found


def _filled(
    blocks: tuple[Mapping[str, TemplatedField], ...], address: str, message: AlertMessage
) -> Iterator[dict[str, str]]:
    """Yield the links or images whose address can be opened."""
    for block in blocks:
        texts = {name: text for name, field in block.items() if (text := field.filled(message).strip())}
        if not is_web_address(texts.get(address, "")):
            continue
        if not is_web_address(texts.get("href", "https://")):
            del texts["href"]
        yield {name: text if name in (address, "href") else one_line(text) for name, text in texts.items()}


def _as_text(value: Any) -> Any:
    """Write a block or a list among the details as JSON, in which templates stay as they are."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else value
