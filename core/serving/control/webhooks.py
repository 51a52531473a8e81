"""Webhooks over HTTP: which there are, what they were told, and a test."""

from typing import Annotated

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from core.serving.authenticator import Caller
from core.serving.control.admission import INSPECT, OPERATE, Given
from core.state import Workspace
from core.webhooks import DeliveryState, ListedWebhook, WebhookDelivery, Webhooks, WebhookTest


class TestedEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a test."""

    event: str | None = None  # by default the first that the webhook is told


class WebhookRoutes(Controller):
    """Webhooks."""

    path = "/webhooks"
    tags = ["webhooks"]

    @get("/", opt=INSPECT, sync_to_thread=True)
    def list_webhooks(self, workspace: Given[Workspace]) -> list[ListedWebhook]:
        """List the webhooks of the settings, and how each fares."""
        return Webhooks(workspace).all()

    @get("/deliveries", opt=INSPECT, sync_to_thread=True)
    def list_deliveries(
        self,
        workspace: Given[Workspace],
        webhook: FromQuery[str | None] = None,
        in_state: Annotated[
            DeliveryState | None, QueryParameter(name="state", description="In this state only.")
        ] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000, description="Return only the newest N.")] = 100,
    ) -> list[WebhookDelivery]:
        """List what webhooks were told, or are still to be told, the newest first."""
        return Webhooks(workspace).deliveries(webhook, state=in_state, limit=limit)

    @post("/{name:str}/test", opt=OPERATE, status_code=200, sync_to_thread=True)
    def test_webhook(
        self, workspace: Given[Workspace], caller: Given[Caller], name: FromPath[str], data: JSONBody[TestedEvent]
    ) -> WebhookTest:
        """Send an example event to a webhook now, once; its secret must be readable for this server."""
        return Webhooks(workspace).test(name, data.event, actor=caller.actor)
