"""Alertmanager's templates within the fields that address a message: `to: '{{ .GroupLabels.team }}@desk.example'`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.message import AlertMessage, MessageStatus, NotifiedAlert
from core.promql.errors import PromqlError, TemplateFieldError
from core.promql.template_reading import TemplateDialect, read_template
from core.promql.template_values import (
    GO_FUNCTIONS,
    TemplateFunction,
    TemplateStruct,
    is_match,
    replaced,
    shown,
    text,
    title,
)
from core.promql.templates import expand_read

_FUNCTIONS: Final[Mapping[str, TemplateFunction]] = {
    **GO_FUNCTIONS,
    "toUpper": (lambda value: text(value).upper(), 1, 1),
    "toLower": (lambda value: text(value).lower(), 1, 1),
    "title": (title, 1, 1),
    "trimSpace": (lambda value: text(value).strip(), 1, 1),
    "join": (lambda separator, parts: text(separator).join(map(text, _list(parts))), 2, 2),
    "match": (is_match, 2, 2),
    "reReplaceAll": (replaced, 3, 3),
    "safeHtml": (text, 1, 1),
    "safeUrl": (text, 1, 1),
    "stringSlice": (lambda *values: list(map(text, values)), 0, None),
}
_DIALECT: Final = TemplateDialect({name: (least, most) for name, (_, least, most) in _FUNCTIONS.items()})
_CALLED: Final = {name: function for name, (function, _, _) in _FUNCTIONS.items()}


class TemplatedField:
    """A field of a receiver that may hold a template."""

    def __init__(self, value: Any, place: str, name: str, *, is_needed: bool = True) -> None:
        """Read it.

        Args:
            value: The text as written; nothing for None.
            place: Where the receiver stands.
            name: The field.
            is_needed: Whether nothing can be sent without it; else a template that fails counts as not written.
        Raises:
            DeliveryError: It is needed, and its template cannot be read, or asks for a field that no message has.
        """
        self.written = "" if value is None else str(value)
        self.problem = ""
        """Why it counts as not written."""
        self.is_fixed = "{{" not in self.written
        """Whether it holds no template."""
        self._place, self._name, self._is_needed = place, name, is_needed
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
        read_template(self.written, _DIALECT)
        try:
            self._expanded(_EXAMPLE)
        except TemplateFieldError:
            raise
        except PromqlError:  # of the example alone, which has one alert
            return

    def _expanded(self, message: AlertMessage) -> str:
        return expand_read(read_template(self.written, _DIALECT), _root(message), _CALLED, {})


class _Pairs(dict[str, str]):
    """Labels, with the methods that Alertmanager gives them."""

    def template_field(self, name: str) -> Any:
        """Return what a method returns; see `HasFields`."""
        if name == "SortedPairs":
            return _SortedPairs(TemplateStruct({"Name": key, "Value": self[key]}) for key in self._names())
        return {"Names": self._names(), "Values": [self[key] for key in self._names()]}[name]

    def template_fields(self) -> Sequence[str]:
        """Return the names of the methods."""
        return ("SortedPairs", "Names", "Values")

    def _names(self) -> list[str]:
        """Return the names, that of the alert first."""
        return sorted(self, key=lambda name: (name != "alertname", name))


class _SortedPairs(list[Any]):
    """Labels in order, of which one may ask for the names or the values."""

    def template_field(self, name: str) -> Any:
        """Return what a method returns; see `HasFields`."""
        of_pair = {"Names": "Name", "Values": "Value"}[name]
        return [pair.fields[of_pair] for pair in self]

    def template_fields(self) -> Sequence[str]:
        """Return the names of the methods."""
        return ("Names", "Values")


class _Alerts(list[Any]):
    """Alerts, of which one may ask for those that fire."""

    def template_field(self, name: str) -> Any:
        """Return what a method returns; see `HasFields`."""
        status = {"Firing": "firing", "Resolved": "resolved"}[name]
        return _Alerts(alert for alert in self if alert.fields["Status"] == status)

    def template_fields(self) -> Sequence[str]:
        """Return the names of the methods."""
        return ("Firing", "Resolved")


def _root(message: AlertMessage) -> TemplateStruct:
    return TemplateStruct(
        {
            "Receiver": message.receiver,
            "Status": "firing" if message.firing else "resolved",
            "Alerts": _Alerts(map(_alert, message.alerts)),
            "GroupLabels": _Pairs(message.group_labels),
            "CommonLabels": _Pairs(message.common("labels")),
            "CommonAnnotations": _Pairs(message.common("annotations")),
            "ExternalURL": "",
        }
    )


def _alert(alert: NotifiedAlert) -> TemplateStruct:
    return TemplateStruct(
        {
            "Status": "firing" if alert.is_firing else "resolved",
            "Labels": _Pairs(alert.labels),
            "Annotations": _Pairs(alert.annotations),
            "StartsAt": alert.starts_at,
            "EndsAt": alert.ends_at or datetime(1, 1, 1, tzinfo=UTC),
            "GeneratorURL": alert.generator_url,
            "Fingerprint": alert.fingerprint,
        }
    )


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise PromqlError(f"{shown(value)} is no list.")
    return value


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
