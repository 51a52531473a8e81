"""How a program is told of a record of the audit log: as MLflow, or as OpenLineage."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from core.governance import AuditRecord
from core.registry.records import Records
from core.settings.webhooks import EVENTS, WebhookFormat, WebhookSettings
from core.webhooks import events, request
from core.webhooks.line_file import append_event

if TYPE_CHECKING:
    from core.state import Workspace


class ToldEvent(NamedTuple):
    """What one webhook is told."""

    name: str
    body: str


def told_of(record: AuditRecord, webhook: WebhookSettings, workspace: "Workspace") -> Iterator[ToldEvent | None]:
    """Yield each event of a record; None for one that the webhook is not told, so that positions stay.

    Args:
        record: The record.
        webhook: The webhook.
        workspace: The workspace, which knows what the record is about.
    """
    if webhook.format == "openlineage":
        from core.webhooks import openlineage  # it reads sessions, rollouts and versions

        for state in openlineage.lineage_of(record, workspace, webhook.namespace):
            yield ToldEvent(state.name, state.body) if state.kind in webhook.told else None
        return

    def description_of(key: str) -> str:
        version = Records(workspace).versions.find(key)  # it may be pruned by now
        return "" if version is None else version.description

    for event in events.events_of(record, description_of):
        yield ToldEvent(event.name, events.body_of(event, record.at)) if event.name in webhook.told else None


def is_event_of(name: str, form: WebhookFormat) -> bool:
    """Say whether an event of this name is laid out in a format.

    >>> is_event_of("session.start", "openlineage"), is_event_of("model_version.created", "openlineage")
    (True, False)
    """
    return (name in EVENTS["mlflow"]) is (form == "mlflow")


def example_of(event: str, webhook: WebhookSettings, now: datetime) -> str:
    """Return what a test sends."""
    if webhook.format == "openlineage":
        from core.webhooks import openlineage

        return openlineage.example_of(event, webhook.namespace, now)
    return events.body_of(events.RegistryEvent(event, events.EXAMPLES[event]), now)


def tell(webhook: WebhookSettings, secret: str, delivery_id: str, body: str, now: datetime) -> request.Attempt:
    """Try once to tell a webhook of an event."""
    if webhook.file:
        return append_event(webhook.path, body)
    if webhook.format == "openlineage":
        return request.send(webhook.url, body, request.bearer_headers(secret), now)
    return request.send(webhook.url, body, request.signed_headers(secret, delivery_id, body, now), now)
