"""Events that webhooks must still be told, kept in `state/webhooks.json` until they are delivered.

A webhook follows the audit log: which records it has seen is written in the same transaction as the events that they
meant. An engine that is killed at any point neither forgets an event nor queues one twice. An attempt whose answer was
not noted is repeated, with the same delivery id.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.backoff import BackOff
from core.clock import Clock, utc_now
from core.governance import AuditLog, AuditRecord
from core.registry.records import DATABASE as REGISTRY
from core.settings.webhooks import WebhookSettings
from core.training.sessions import DATABASE as SESSIONS
from core.webhooks.delivery import DeliveryState, WebhookCursor, WebhookDelivery
from core.webhooks.events import delivery_id_of
from core.webhooks.formats import is_event_of, told_of
from core.webhooks.request import Attempt

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE = "webhooks"
FOLLOWED = (REGISTRY, SESSIONS)
"""The databases whose changes are told; rollouts are in the registry's."""
DELIVERIES, CURSORS = "deliveries", "cursors"
PAUSES = BackOff(first_seconds=1.0, most_seconds=600.0)
LONGEST_PAUSE = timedelta(hours=1)
"""The longest pause that a receiver can ask for."""
GIVE_UP_AFTER = timedelta(days=3)
MOST_WAITING = 10_000
"""Events that one webhook may wait for; the oldest of more are given up."""
MOST_ENDED = 500
"""Ended deliveries that stay on record."""
FAILS_AFTER = 3
"""Attempts in vain after which a webhook is a problem of its operator, as a dead channel of notifications is."""
_LAG = 1_000
"""Records without an event after which the position is written all the same, so that a search stays short."""


class WebhookQueue:
    """The deliveries of one workspace. The engine alone changes them."""

    def __init__(self, workspace: "Workspace", clock: Clock = utc_now) -> None:
        self._workspace = workspace
        self._clock = clock
        self._database = workspace.database(DATABASE)

    @property
    def deliveries(self) -> "Documents[WebhookDelivery]":
        """Every delivery that is on record, in the order of its events."""
        return self._database.documents(DELIVERIES, WebhookDelivery, key="delivery_id")

    @property
    def _cursors(self) -> "Documents[WebhookCursor]":
        return self._database.documents(CURSORS, WebhookCursor, key="webhook")

    def follow(self, webhooks: Sequence[WebhookSettings]) -> int:
        """Queue the events that the audit log has got since the last time; a new webhook begins with the next event.

        Args:
            webhooks: The webhooks of the settings. What waits for another one, or for a disabled one, is given up, and
                so is an event in another format than the webhook has now.

        Returns:
            How many events were queued.

        Raises:
            OSError: The audit log cannot be read or written.
            StateError: A state file cannot be read or written.
        """
        active = {webhook.name: webhook for webhook in webhooks if webhook.status == "ACTIVE"}
        known = {cursor.webhook: cursor for cursor in self._cursors.all()}
        if not active and not known:
            return 0
        log = AuditLog(self._workspace, clock=self._clock)
        log.drain(*FOLLOWED)  # a change is told once it is in the log, and a log that was full may be writable now
        newest = log.newest_sequence()
        following = {name: min(known[name].sequence, newest) for name in active if name in known}
        records = log.since(min(following.values())) if following else []
        queued = [
            delivery for name, sequence in following.items() for delivery in self._new(active[name], records, sequence)
        ]
        has_new = {delivery.webhook for delivery in queued}
        moved = [
            replace(known[name], sequence=newest)
            for name, sequence in following.items()
            if name in has_new or newest - sequence > _LAG or known[name].sequence > newest > 0
        ]
        added = [WebhookCursor(webhook=name, sequence=newest) for name in active if name not in known]
        removed = [name for name in known if name not in active]
        foreign = [
            delivery
            for delivery in self._waiting()
            if delivery.webhook in active and not is_event_of(delivery.event, active[delivery.webhook].format)
        ]
        if queued or moved or added or removed or foreign:
            with self._database.transaction():
                self._write(queued, moved, added, removed)
                for delivery in foreign:
                    self._end(delivery, DeliveryState.FAILED, "the webhook has another format since")
        return len(queued)

    def _new(
        self, webhook: WebhookSettings, records: Iterable[AuditRecord], sequence: int
    ) -> Iterable[WebhookDelivery]:
        for record in records:
            if record.sequence <= sequence:
                continue
            for position, event in enumerate(told_of(record, webhook, self._workspace)):
                if event is not None:
                    now = self._clock()
                    yield WebhookDelivery(
                        delivery_id=delivery_id_of(webhook.name, record, position),
                        webhook=webhook.name,
                        event=event.name,
                        sequence=record.sequence,
                        object=record.object,
                        body=event.body,
                        created_at=now,
                        next_at=now,
                    )

    def _write(
        self,
        queued: list[WebhookDelivery],
        moved: list[WebhookCursor],
        added: list[WebhookCursor],
        removed: list[str],
    ) -> None:
        stored = set(self.deliveries.all_keys())
        self.deliveries.insert_all(delivery for delivery in queued if delivery.delivery_id not in stored)
        self._cursors.insert_all(added)
        for cursor in moved:
            self._cursors.replace(cursor)
        self._cursors.remove_all(removed)
        for delivery in self._waiting():
            if delivery.webhook in removed:
                self._end(delivery, DeliveryState.FAILED, "the webhook was disabled or removed from the settings")
        for name in {delivery.webhook for delivery in queued}:
            waiting = [delivery for delivery in self._waiting() if delivery.webhook == name]
            for delivery in waiting[:-MOST_WAITING]:
                self._end(delivery, DeliveryState.FAILED, f"more than {MOST_WAITING:,} events were waiting")
        self._prune()

    def _waiting(self) -> list[WebhookDelivery]:
        return [delivery for delivery in self.deliveries.all() if delivery.state is DeliveryState.PENDING]

    def next_of_each(self) -> list[WebhookDelivery]:
        """Return the oldest event that each webhook waits for: a webhook is told of events in their order."""
        oldest: dict[str, WebhookDelivery] = {}
        for delivery in self._waiting():
            oldest.setdefault(delivery.webhook, delivery)
        return list(oldest.values())

    def failing(self) -> dict[str, str]:
        """Return the webhooks that fail, and why: tried several times in vain, or the last event was given up."""
        found: dict[str, str] = {}
        last: dict[str, WebhookDelivery] = {}
        for delivery in self.deliveries.all():
            before = last.get(delivery.webhook)
            if delivery.ended_at is not None and (before is None or _ended_at(before) <= delivery.ended_at):
                last[delivery.webhook] = delivery
        for name, delivery in last.items():
            if delivery.state is DeliveryState.FAILED and delivery.n_attempts:
                found[name] = f"{delivery.event} of {delivery.object} was given up: {delivery.problem}"
        for delivery in self.next_of_each():
            if delivery.n_attempts >= FAILS_AFTER:
                n_waiting = sum(each.webhook == delivery.webhook for each in self._waiting())
                waiting = "1 event waits" if n_waiting == 1 else f"{n_waiting:,} events wait"
                found[delivery.webhook] = f"{waiting}: {delivery.problem}"
        return found

    def note(self, delivery: WebhookDelivery, attempt: Attempt) -> WebhookDelivery:
        """Write down what came of an attempt, and when the next one is due."""
        now = self._clock()
        with self._database.transaction():
            tried = replace(
                self.deliveries.get(delivery.delivery_id),
                n_attempts=delivery.n_attempts + 1,
                last_status=attempt.status,
                problem=attempt.problem,
            )
            if attempt.is_delivered:
                return self._end(tried, DeliveryState.DELIVERED, "")
            if not attempt.may_retry or now - delivery.created_at > GIVE_UP_AFTER:
                return self._end(tried, DeliveryState.FAILED, attempt.problem)
            pause = PAUSES.wait_seconds(tried.n_attempts)
            asked = min(attempt.retry_after_seconds or 0.0, LONGEST_PAUSE.total_seconds())
            return self.deliveries.replace(replace(tried, next_at=now + timedelta(seconds=max(pause, asked))))

    def _end(self, delivery: WebhookDelivery, state: DeliveryState, problem: str) -> WebhookDelivery:
        ended = self.deliveries.replace(
            replace(delivery.without_body(), state=state, problem=problem, ended_at=self._clock())
        )
        self._prune()
        return ended

    def _prune(self) -> None:
        ended = [delivery for delivery in self.deliveries.all() if delivery.state is not DeliveryState.PENDING]
        ended.sort(key=lambda delivery: delivery.ended_at or delivery.created_at)
        self.deliveries.remove_all(delivery.delivery_id for delivery in ended[:-MOST_ENDED])
        for delivery in ended[-MOST_ENDED:]:
            if delivery.body:  # an earlier release kept it
                self.deliveries.replace(delivery.without_body())


def _ended_at(delivery: WebhookDelivery) -> datetime:
    return delivery.ended_at or delivery.created_at
