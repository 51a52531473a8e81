"""What people ask of webhooks: which there are, what they were told, and whether one can be reached."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import NotFoundError, UsageError
from core.escape import shown
from core.governance import require_access
from core.settings import settings_in_force
from core.settings.webhooks import EVENTS, WebhookSettings
from core.webhooks.delivery import DeliveryState, WebhookDelivery
from core.webhooks.formats import example_of, tell
from core.webhooks.queue import WebhookQueue
from core.webhooks.secret import secret_of

if TYPE_CHECKING:
    from core.state import Workspace


class ListedWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook of the settings, and how it fares. A URL is without its query, and no secret is in it."""

    name: str
    url: str
    format: str
    events: tuple[str, ...]
    status: str
    is_signed: bool
    n_waiting: int
    n_delivered: int  # of the deliveries on record
    n_failed: int
    last_delivered_at: datetime | None
    problem: str  # of the event that it waits for, or of the last that it missed


class WebhookTest(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an example event."""

    webhook: str
    event: str
    delivery_id: str
    is_delivered: bool
    status: int | None
    problem: str


class Webhooks:
    """The webhooks of one workspace."""

    def __init__(
        self,
        workspace: "Workspace",
        *,
        settings: tuple[WebhookSettings, ...] | None = None,
        environ: Mapping[str, str] | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Open the webhooks.

        Args:
            workspace: The workspace.
            settings: The webhooks; by default those of the workspace's settings.
            environ: The environment with their secrets; by default that of this process.
            clock: The time.

        Raises:
            SettingsError: The settings cannot be read.
        """
        self._workspace = workspace
        self._environ = environ
        self._clock = clock
        self._settings = settings_in_force(workspace.root).webhooks if settings is None else settings
        self._queue = WebhookQueue(workspace, clock)

    def all(self) -> list[ListedWebhook]:
        """Return every webhook, in the order of the settings."""
        deliveries = self._queue.deliveries.all()
        return [
            _listed(webhook, [delivery for delivery in deliveries if delivery.webhook == webhook.name])
            for webhook in self._settings
        ]

    def deliveries(
        self, webhook: str | None = None, *, state: DeliveryState | None = None, limit: int | None = None
    ) -> list[WebhookDelivery]:
        """Return deliveries on record, the newest first, each without its body.

        Args:
            webhook: Of this webhook only; it may have left the settings.
            state: In this state only.
            limit: The maximum number.

        Raises:
            NotFoundError: No webhook has this name, and none had.
        """
        found = self._queue.deliveries.all()
        if webhook is not None and all(delivery.webhook != webhook for delivery in found):
            self._named(webhook)
        wanted = [
            delivery.without_body()
            for delivery in reversed(found)
            if webhook in (None, delivery.webhook) and state in (None, delivery.state)
        ]
        return wanted[:limit]

    def test(self, name: str, event: str | None = None, *, actor: Actor) -> WebhookTest:
        """Send an example event to a webhook now, once. It is not kept.

        Args:
            name: The webhook, active or not.
            event: The event; by default the first that the webhook is told.
            actor: Who asks.

        Raises:
            AccessRefusedError: No role of the actor allows it.
            NotFoundError: There is no such webhook.
            UsageError: There is no such event, or the secret cannot be read.
        """
        import uuid

        require_access(self._workspace, actor, "webhook.test", object=name, clock=self._clock)
        webhook = self._named(name)
        event = event or webhook.told[0]
        if event not in (events := EVENTS[webhook.format]):
            raise UsageError(f"{shown(event)} is no event of {webhook.format}: choose one of {', '.join(events)}.")
        now, delivery_id = self._clock(), str(uuid.uuid4())
        body = example_of(event, webhook, now)
        secret = secret_of(webhook, self._workspace.root, self._environ)
        attempt = tell(webhook, secret, delivery_id, body, now)
        return WebhookTest(
            webhook=name,
            event=event,
            delivery_id=delivery_id,
            is_delivered=attempt.is_delivered,
            status=attempt.status,
            problem=attempt.problem,
        )

    def _named(self, name: str) -> WebhookSettings:
        found = next((webhook for webhook in self._settings if webhook.name == name), None)
        if found is None:
            names = ", ".join(webhook.name for webhook in self._settings) or "none; add it to `webhooks:` in bondx.yaml"
            raise NotFoundError(f"There is no webhook {shown(name)}. Webhooks: {names}.")
        return found


def _listed(webhook: WebhookSettings, deliveries: list[WebhookDelivery]) -> ListedWebhook:
    by_state = {state: [each for each in deliveries if each.state is state] for state in DeliveryState}
    waiting, delivered, failed = (by_state[state] for state in DeliveryState)
    ended_at = [delivery.ended_at for delivery in delivered if delivery.ended_at is not None]
    of_problem = waiting[0] if waiting else failed[-1] if failed else None
    return ListedWebhook(
        name=webhook.name,
        url=webhook.place,
        format=webhook.format,
        events=webhook.told,
        status=webhook.status,
        is_signed=bool(webhook.secret_env or webhook.secret_file),
        n_waiting=len(waiting),
        n_delivered=len(delivered),
        n_failed=len(failed),
        last_delivered_at=max(ended_at, default=None),
        problem=of_problem.problem if of_problem else "",
    )
