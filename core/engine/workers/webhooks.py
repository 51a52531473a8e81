"""Tell webhooks what happened."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from typing_extensions import override

from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.errors import CoreError
from core.settings.webhooks import WebhookSettings
from core.webhooks.delivery import DeliveryState, WebhookDelivery
from core.webhooks.formats import tell
from core.webhooks.queue import FOLLOWED, LONGEST_PAUSE, WebhookQueue
from core.webhooks.request import Attempt
from core.webhooks.secret import secret_of

LOOK_SECONDS = 5.0
"""How soon a webhook that was added to the settings is followed."""
_AT_ONCE = 4
FAILED_RULE = "webhook_failed"

log = logging.getLogger(__name__)


class WebhookSender(Worker):
    """Queues events and sends them, each webhook's in their order, until each is delivered."""

    name: ClassVar[str] = "webhooks"
    watches: ClassVar[frozenset[str]] = frozenset(FOLLOWED)

    def __init__(self, context: EngineContext) -> None:
        """Prepare to send."""
        self.wake = threading.Event()
        self._stopping = threading.Event()
        self._context = context
        self._workspace = context.workspace
        self._queue = WebhookQueue(context.workspace, context.clock)
        self._clock = context.clock

    @override
    def stop(self) -> None:
        self._stopping.set()

    @override
    def step(self) -> float:
        webhooks = {webhook.name: webhook for webhook in self._context.current.read().webhooks}
        self._queue.follow(tuple(webhooks.values()))
        while not self._stopping.is_set() and (due := self._due(webhooks)):
            self._send_all(due, webhooks)
        self._judge(webhooks)
        now = self._clock()
        waits = [(delivery.next_at - now).total_seconds() for delivery in self._queue.next_of_each()]
        return max(0.1, min([LOOK_SECONDS, *waits]))

    def _judge(self, webhooks: dict[str, WebhookSettings]) -> None:
        """Fire an alert for each active webhook that fails, and clear it once it works, is disabled or is gone."""
        active = {name for name, webhook in webhooks.items() if webhook.status == "ACTIVE"}
        failing = {name: problem for name, problem in self._queue.failing().items() if name in active}
        alerts, now = self._context.alerts, self._clock()
        for name, problem in failing.items():
            alerts.fire(FAILED_RULE, labels={"webhook": name}, summary=f"webhook {name}: {problem}", now=now)
        for alert in alerts.open():
            if alert.rule == FAILED_RULE and alert.labels.get("webhook") not in failing:
                reason = "the webhook works again, or is disabled or gone"
                alerts.clear(FAILED_RULE, labels=alert.labels, now=now, reason=reason)

    def _due(self, webhooks: dict[str, WebhookSettings]) -> list[WebhookDelivery]:
        now = self._clock()
        return [
            each
            for each in self._queue.next_of_each()
            # A pause that is longer than any: the clock was set back.
            if not now < each.next_at <= now + LONGEST_PAUSE and each.webhook in webhooks
        ]

    def _send_all(self, due: list[WebhookDelivery], webhooks: dict[str, WebhookSettings]) -> None:
        """Try one event of each webhook: a receiver that does not answer keeps no other webhook waiting for long."""
        with ThreadPoolExecutor(min(_AT_ONCE, len(due)), thread_name_prefix="webhook") as pool:
            attempts = list(pool.map(lambda each: self._attempt(each, webhooks[each.webhook]), due))
        for delivery, attempt in zip(due, attempts, strict=True):
            noted = self._queue.note(delivery, attempt)
            if noted.state is DeliveryState.DELIVERED:
                log.info("webhook %s was told %s of %s", noted.webhook, noted.event, noted.object)
            else:
                then = "it is given up" if noted.state is DeliveryState.FAILED else f"next at {noted.next_at:%H:%M:%S}"
                about = f"{noted.event} of {noted.object}: {noted.problem}"
                log.warning("webhook %s was not told %s; %s", noted.webhook, about, then)

    def _attempt(self, delivery: WebhookDelivery, webhook: WebhookSettings) -> Attempt:
        now = self._clock()
        try:
            secret = secret_of(webhook, self._workspace.root)
        except CoreError as error:  # unsigned events would be refused, or worse, believed
            return Attempt(False, True, None, str(error))
        return tell(webhook, secret, delivery.delivery_id, delivery.body, now)
