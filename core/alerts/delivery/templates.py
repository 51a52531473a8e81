"""Alertmanager's templates within the fields that address a message: `to: '{{ .GroupLabels.team }}@desk.example'`."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_plus

from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.message import AlertMessage, MessageStatus, NotifiedAlert
from core.clock import utc_now
from core.promql.errors import PromqlError, TemplateFieldError
from core.promql.go_time import GoDuration, formatted, in_zone, since
from core.promql.go_values import GoList, GoMap, GoMethod, TemplateStruct, go_type, shown
from core.promql.template_reading import NO_LIBRARY, TemplateDialect, TemplateLibrary, read_template
from core.promql.template_values import (
    GO_FUNCTIONS,
    TemplateFunction,
    humanize_duration,
    is_match,
    lower,
    replaced,
    text,
    upper,
)
from core.promql.templates import expand_read

_WORD: Final = re.compile(r"\w[\w'’.:]*")
_FUNCTIONS: Final[Mapping[str, TemplateFunction]] = {
    **GO_FUNCTIONS,
    "toUpper": (upper, 1, 1),
    "toLower": (lower, 1, 1),
    "title": (lambda value: _WORD.sub(_titled, text(value)), 1, 1),
    "trimSpace": (lambda value: text(value).strip(), 1, 1),
    "join": (lambda separator, parts: text(separator).join(map(text, _list(parts))), 2, 2),
    "match": (is_match, 2, 2),
    "reReplaceAll": (replaced, 3, 3),
    "safeHtml": (text, 1, 1),
    "safeUrl": (text, 1, 1),
    "stringSlice": (lambda *values: GoList(map(text, values)), 0, None),
    "date": (lambda layout, value: formatted(_time(value), text(layout)), 2, 2),
    "tz": (lambda name, value: in_zone(_time(value), text(name)), 2, 2),
    "since": (lambda value: since(_time(value), utc_now()), 1, 1),
    "humanizeDuration": (lambda value: humanize_duration(_seconds(value)), 1, 1),
    "urlUnescape": (lambda value: unquote_plus(text(value)), 1, 1),
}
DIALECT: Final = TemplateDialect({name: (least, most) for name, (_, least, most) in _FUNCTIONS.items()})
"""What the templates of a routing file may name."""
_CALLED: Final = {name: function for name, (function, _, _) in _FUNCTIONS.items()}


class TemplatedField:
    """A field of a receiver that may hold a template."""

    def __init__(
        self, value: Any, place: str, name: str, *, is_needed: bool = True, library: TemplateLibrary = NO_LIBRARY
    ) -> None:
        """Read it.

        Args:
            value: The text as written; nothing for None.
            place: Where the receiver stands.
            name: The field.
            is_needed: Whether nothing can be sent without it; else a template that fails counts as not written.
            library: The templates of the files that the routing file names.
        Raises:
            DeliveryError: It is needed, and its template cannot be read, or asks for a field that no message has.
        """
        self.written = "" if value is None else str(value)
        self.problem = ""
        """Why it counts as not written."""
        self.is_fixed = "{{" not in self.written
        """Whether it holds no template."""
        self._place, self._name, self._is_needed, self._library = place, name, is_needed, library
        if self.is_fixed:
            return
        try:
            self._try()
        except PromqlError as error:
            if is_needed:
                raise DeliveryError(f"{place}: the template of {name} cannot be filled in: {error}") from None
            self.problem = f"{name} ({error.message})"
            self.written, self.is_fixed = "", True

    def filled(self, message: AlertMessage) -> str:
        """Fill it in for a message.

        Raises:
            DeliveryError: It is needed, and its template fails on this message.
        """
        if self.is_fixed:
            return self.written
        try:
            return self._expanded(message)
        except PromqlError as error:
            if not self._is_needed:
                return ""
            raise DeliveryError(
                f"{self._place}: the template of {self._name} cannot be filled in: {error}", is_permanent=True
            ) from None

    def _try(self) -> None:
        """Read the template, and look for fields that no message has.

        Raises:
            PromqlError: It cannot be read, or asks for such a field.
        """
        read_template(self.written, DIALECT, self._library)
        try:
            self._expanded(_EXAMPLE)
        except TemplateFieldError:
            raise
        except PromqlError:  # of the example alone, which has one alert
            return

    def _expanded(self, message: AlertMessage) -> str:
        return expand_read(read_template(self.written, DIALECT, self._library), _root(message), _CALLED, {})


class _Labels(GoMap):
    """Labels, with the methods that Alertmanager gives them."""

    type_name = "template.KV"

    def as_text(self) -> str | None:
        """Write them as Alertmanager does since 0.26."""
        return ", ".join(f"{name}={self[name]}" for name in self._names())

    def template_field(self, name: str) -> GoMethod:
        """Return a method; see `HasFields`."""
        return {
            "SortedPairs": GoMethod(lambda: _Pairs(_pair(key, self[key]) for key in self._names())),
            "Names": GoMethod(lambda: GoList(self._names())),
            "Values": GoMethod(lambda: GoList(self[key] for key in self._names())),
            "Remove": GoMethod(self._without, ("[]string",)),
        }[name]

    def template_fields(self) -> Sequence[str]:
        """Return the names of the methods."""
        return ("SortedPairs", "Names", "Values", "Remove")

    def _names(self) -> list[str]:
        """Return the names, that of the alert first."""
        return sorted(self, key=lambda name: (name != "alertname", name))

    def _without(self, names: Sequence[str]) -> "_Labels":
        return _Labels({name: value for name, value in self.items() if name not in names})


def _pair(name: str, value: str) -> TemplateStruct:
    return TemplateStruct({"Name": name, "Value": value}, "template.Pair")


class _Pairs(GoList):
    """Labels in order, of which one may ask for the names or the values."""

    type_name = "template.Pairs"

    def as_text(self) -> str | None:
        """Write them as Alertmanager does since 0.26."""
        return ", ".join(f"{pair.fields['Name']}={pair.fields['Value']}" for pair in self)

    def template_field(self, name: str) -> GoMethod:
        """Return a method; see `HasFields`."""
        of_pair = {"Names": "Name", "Values": "Value"}[name]
        return GoMethod(lambda: GoList(pair.fields[of_pair] for pair in self))

    def template_fields(self) -> Sequence[str]:
        """Return the names of the methods."""
        return ("Names", "Values")


class _ChosenAlerts(GoList):
    """Some alerts of a message."""

    type_name = "[]template.Alert"


class _Alerts(GoList):
    """Alerts, of which one may ask for those that fire."""

    type_name = "template.Alerts"

    def template_field(self, name: str) -> GoMethod:
        """Return a method; see `HasFields`."""
        status = {"Firing": "firing", "Resolved": "resolved"}[name]
        return GoMethod(lambda: _ChosenAlerts(alert for alert in self if alert.fields["Status"] == status))

    def template_fields(self) -> Sequence[str]:
        """Return the names of the methods."""
        return ("Firing", "Resolved")


def _root(message: AlertMessage) -> TemplateStruct:
    return TemplateStruct(
        {
            "Receiver": message.receiver_pattern,
            "Status": "firing" if message.firing else "resolved",
            "Alerts": _Alerts(map(_alert, message.alerts)),
            "GroupLabels": _Labels(message.group_labels),
            "CommonLabels": _Labels(message.common("labels")),
            "CommonAnnotations": _Labels(message.common("annotations")),
            "ExternalURL": "",
        },
        "template.Data",
    )


def _alert(alert: NotifiedAlert) -> TemplateStruct:
    return TemplateStruct(
        {
            "Status": "firing" if alert.is_firing else "resolved",
            "Labels": _Labels(alert.labels),
            "Annotations": _Labels(alert.annotations),
            "StartsAt": alert.starts_at,
            "EndsAt": alert.ends_at or datetime(1, 1, 1, tzinfo=UTC),
            "GeneratorURL": alert.generator_url,
            "Fingerprint": alert.fingerprint,
        },
        "template.Alert",
    )


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or go_type(value) != "[]string":
        raise PromqlError(f"{shown(value)} is no list of strings.")
    return value


def _time(value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise PromqlError(f"{shown(value)} is no time.")
    return value


def _seconds(value: Any) -> Any:
    return value / 1e9 if isinstance(value, GoDuration) else value


def _titled(found: "re.Match[str]") -> str:
    word = found.group()
    first = next((at for at, letter in enumerate(word) if letter.isalpha()), 0)
    return word[:first] + word[first].title() + lower(word[first + 1 :])


_EXAMPLE: Final = AlertMessage(
    notification_id="",
    receiver="example",
    group_key="{}:{}",
    status=MessageStatus.FIRING,
    reason="first",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    alerts=(
        NotifiedAlert(
            fingerprint="0",
            name="Example",
            severity="warning",
            status=MessageStatus.FIRING,
            summary="an example",
            labels={"alertname": "Example", "severity": "warning"},
            annotations={"summary": "an example"},
            starts_at=datetime(2026, 1, 1, tzinfo=UTC),
        ),
    ),
)
