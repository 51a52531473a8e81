"""The outbox: what is still to be sent and what became of everything sent, durable before anything leaves.

A delivery is QUEUED in the transaction that decided on its notification, SENDING before its attempt, and then
DELIVERED, FAILED, or QUEUED again. An engine that died meanwhile leaves QUEUED, which is sent, or SENDING, of which
nothing is known: it is sent again under the same identity, by which most channels recognise a repetition.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from core.alerts.delivery.breaker import RETRY, after_failure, after_success
from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.message import AlertMessage, MessageStatus
from core.alerts.delivery.records import ChannelHealth, Delivery, DeliveryAttempt, NotificationState
from core.alerts.delivery.wording import headline
from core.clock import Clock, utc_now

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from core.state import Documents, Workspace

DATABASE: Final = "notifications"
KEEP_DAYS: Final = 30
KEEP_COUNT: Final = 2_000
KEEP_HEARTBEATS: Final = 20
HEARTBEAT: Final = "heartbeat"
_MOST_ATTEMPTS_KEPT: Final = 10


@dataclass(frozen=True, slots=True)
class ChannelTarget:
    """A channel of a receiver, by name."""

    receiver: str
    channel: str
    kind: str
    addressee: str = ""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message for the channels of a receiver; the fields are those of `Outbox.enqueue`."""

    message: AlertMessage
    targets: tuple[ChannelTarget, ...]
    is_alternative: bool = False
    expires_at: datetime | None = None
    instead_of: str = ""
    untold: tuple[ChannelTarget, ...] = ()  # channels to which it is not sent, but for which what waits is over, too


class _Queue:
    """What waits, by channel and group, and what one step adds to it."""

    def __init__(self, pending: Iterable[Delivery]) -> None:
        self.added: dict[str, Delivery] = {}
        self.superseded: list[Delivery] = []
        self._of_group: dict[tuple[str, str], list[Delivery]] = {}
        for delivery in pending:
            self._of_group.setdefault((delivery.channel, delivery.group_key), []).append(delivery)

    def add(self, delivery: Delivery) -> None:
        self.supersede(delivery)
        self._of_group.setdefault((delivery.channel, delivery.group_key), []).append(delivery)
        self.added[delivery.delivery_id] = delivery

    def supersede(self, delivery: Delivery) -> None:
        """Take out what need not be sent once a delivery is, also by the channels for which its own stands."""
        for channel in (delivery.channel, *delivery.alternatives):
            waiting = self._of_group.get((channel, delivery.group_key), [])
            for earlier in [each for each in waiting if _is_unheard(each) and _says_all_of(delivery, each)]:
                waiting.remove(earlier)
                if earlier.delivery_id not in self.added:
                    self.superseded.append(earlier)
                else:  # in the same step: nobody has seen it
                    del self.added[earlier.delivery_id]


class Outbox:
    """The deliveries of one workspace. Every method is one transaction; safe from any thread."""

    def __init__(self, workspace: "Workspace", *, clock: Clock = utc_now, retry_hours: float = 24.0) -> None:
        """Open the outbox.

        Args:
            workspace: The workspace.
            clock: The time.
            retry_hours: After this long, a message that cannot be delivered is given up.
        """
        self._workspace = workspace
        self._clock = clock
        self.retry_hours = retry_hours

    def transaction(self) -> "AbstractContextManager[None]":
        """Make several changes one durable step, the dispatcher's own among them."""
        return self._workspace.database(DATABASE).transaction()

    def all(self) -> list[Delivery]:
        """Return every delivery that is kept, oldest first."""
        return self._deliveries.all()

    def of_alert(self, fingerprint: str) -> list[Delivery]:
        """Return the deliveries that told of an alert, oldest first."""
        return [delivery for delivery in self.all() if delivery.is_about(fingerprint)]

    def pending(self) -> list[Delivery]:
        """Return the deliveries that are still to be sent, oldest first."""
        return [delivery for delivery in self.all() if delivery.state.is_pending]

    def health(self) -> dict[str, ChannelHealth]:
        """Return the health of every channel that was used."""
        return {health.channel: health for health in self._health.all()}

    def enqueue(
        self,
        message: AlertMessage,
        targets: Sequence[ChannelTarget],
        *,
        is_alternative: bool = False,
        expires_at: datetime | None = None,
        instead_of: str = "",
    ) -> list[Delivery]:
        """Store a message for the channels of a receiver.

        Args:
            message: The message.
            targets: The channels.
            is_alternative: Whether one of them is enough: the next is used if the one before is dead.
            expires_at: When the message has lost its meaning.
            instead_of: The dead channel for which these take over.
        """
        return self.enqueue_all(
            [
                OutgoingMessage(
                    message,
                    tuple(targets),
                    is_alternative=is_alternative,
                    expires_at=expires_at,
                    instead_of=instead_of,
                )
            ]
        )

    def enqueue_all(self, outgoing: Iterable["OutgoingMessage"]) -> list[Delivery]:
        """Store messages in one durable step: what waits already is looked at once, however many they are.

        Args:
            outgoing: The messages with their channels.
        """
        outgoing = list(outgoing)
        if not outgoing:
            return []
        with self.transaction():
            queue = _Queue(self.pending())
            for each in outgoing:
                chosen = each.targets[:1] if each.is_alternative else each.targets
                others = tuple(target.channel for target in each.targets[1:]) if each.is_alternative else ()
                for target in chosen:
                    self._add(queue, each, target, alternatives=others)
                for target in each.untold:
                    queue.supersede(self._delivery(each, target))
            queued = self._store(queue)
            self._prune()
        return queued

    def _add(
        self, queue: "_Queue", outgoing: "OutgoingMessage", target: ChannelTarget, *, alternatives: tuple[str, ...]
    ) -> None:
        delivery = self._delivery(outgoing, target, alternatives)
        if delivery.delivery_id not in queue.added and self._deliveries.find(delivery.delivery_id) is None:
            queue.add(delivery)

    def _delivery(
        self, outgoing: "OutgoingMessage", target: ChannelTarget, alternatives: tuple[str, ...] = ()
    ) -> Delivery:
        return replace(
            delivery_of(outgoing.message, target, self._clock()),
            expires_at=outgoing.expires_at,
            alternatives=alternatives,
            instead_of=outgoing.instead_of,
            message=outgoing.message,
        )

    def _store(self, queue: "_Queue") -> list[Delivery]:
        if queue.superseded:
            now = self._clock()
            self._deliveries.replace_all(
                replace(delivery, state=NotificationState.SUPERSEDED, ended_at=now, message=None)
                for delivery in queue.superseded
            )
        return self._deliveries.insert_all(queue.added.values())

    def due(self, receivers: Iterable[str] | None = None) -> list[Delivery]:
        """Return what can be sent now, at most one delivery of each channel: its oldest, in the order of each group."""
        now = self._clock()
        health = self.health()
        wanted = None if receivers is None else set(receivers)
        blocked: set[tuple[str, str]] = set()
        busy: set[str] = set()
        found = []
        for delivery in self.pending():
            group = (delivery.channel, delivery.group_key)
            if wanted is not None and delivery.receiver not in wanted:
                continue
            if delivery.channel in busy or group in blocked:
                continue
            blocked.add(group)
            if _waits_until(delivery, health.get(delivery.channel), now) is not None:
                continue
            busy.add(delivery.channel)
            found.append(delivery)
        return found

    def next_due_at(self) -> datetime | None:
        """Return when the next delivery can be sent that has to wait; None if there is none."""
        now, health = self._clock(), self.health()
        waits = (_waits_until(delivery, health.get(delivery.channel), now) for delivery in self.pending())
        return min((at for at in waits if at is not None), default=None)

    def expire(self) -> None:
        """Give up what has lost its meaning, or could not be delivered for too long."""
        now = self._clock()
        for delivery in self.pending():
            if delivery.expires_at is not None and delivery.expires_at <= now:
                self._finish(delivery, NotificationState.EXPIRED)
            elif now - delivery.created_at > timedelta(hours=self.retry_hours):
                self._finish(delivery, NotificationState.FAILED)

    def begin(self, delivery: Delivery) -> Delivery | None:
        """Note that an attempt begins; the result is durable before anything is sent.

        Returns:
            The delivery with its message; None if it is no longer to be sent. The message says that it may be a
            repetition if an earlier attempt has no result.
        """
        with self.transaction():
            current = self._deliveries.find(delivery.delivery_id)
            if current is None or not current.state.is_pending or current.message is None:
                return None
            message = current.message
            if any(attempt.result == "unknown" for attempt in current.attempts):
                message = replace(message, may_repeat=True)
            attempts = (*current.attempts, DeliveryAttempt(at=self._clock()))[-_MOST_ATTEMPTS_KEPT:]
            begun = replace(
                current,
                state=NotificationState.SENDING,
                attempts=attempts,
                n_attempts=current.n_attempts + 1,
                message=message,
            )
            return self._deliveries.replace(begun)

    def succeed(self, delivery: Delivery, delivered: Delivered, addressee: str = "") -> None:
        """Note that a message was delivered."""
        now = self._clock()
        with self.transaction():
            current = self._deliveries.get(delivery.delivery_id)
            detail = " ".join(filter(None, (delivered.detail, delivered.reference)))
            attempts = _ended(current.attempts, now, "delivered", detail)
            done = replace(
                current,
                state=NotificationState.DELIVERED,
                attempts=attempts,
                ended_at=now,
                not_before=None,
                message=None,
                addressee=addressee or current.addressee,
            )
            self._deliveries.replace(done)
            self.note_success(_target(done))

    def fail(self, delivery: Delivery, error: DeliveryError, *, share: float = 1.0) -> Delivery:
        """Note that an attempt failed.

        Args:
            delivery: As `begin` returned it.
            error: Why.
            share: A random share of the wait until the next attempt.
        """
        now = self._clock()
        with self.transaction():
            current = self._deliveries.get(delivery.delivery_id)
            attempts = _ended(current.attempts, now, "failed", str(error))
            if error.is_permanent:
                failed = replace(
                    current,
                    state=NotificationState.FAILED,
                    attempts=attempts,
                    ended_at=now,
                    not_before=None,
                    message=None,
                )
            else:
                wait = max(RETRY.wait_seconds(current.n_attempts, share), error.retry_after or 0.0)
                failed = replace(
                    current,
                    state=NotificationState.QUEUED,
                    attempts=attempts,
                    not_before=now + timedelta(seconds=wait),
                )
            self.note_failure(_target(failed), error, share=share)
            return self._deliveries.replace(failed)

    def hand_over(self, delivery: Delivery, target: ChannelTarget) -> Delivery | None:
        """Let another channel send the message of a delivery, whose own channel is dead.

        Args:
            delivery: A pending delivery, or one that its channel refused.
            target: The channel that takes over.
        """
        with self.transaction():
            current = self._deliveries.get(delivery.delivery_id)
            message = current.message or delivery.message
            if message is None or current.state in (NotificationState.DELIVERED, NotificationState.SUPERSEDED):
                return None
            is_old = any(
                (each.receiver, each.group_key) == (current.receiver, current.group_key)
                and each.created_at > current.created_at
                and each.state not in (NotificationState.FAILED, NotificationState.EXPIRED)
                and _says_all_of(each, current)
                for each in self.all()
            )
            if current.state.is_pending:
                self._finish(current, NotificationState.SUPERSEDED if is_old else NotificationState.FAILED)
            if is_old:  # another channel has told more meanwhile
                return None
            rest = tuple(name for name in current.alternatives if name != target.channel)
            queue = _Queue(self.pending())
            taken_over = OutgoingMessage(message, (target,), expires_at=current.expires_at, instead_of=current.channel)
            self._add(queue, taken_over, target, alternatives=rest)
            queued = self._store(queue)
            return queued[0] if queued else None

    def record(self, delivery: Delivery) -> None:
        """Keep a delivery that was made outside of the engine, such as a test."""
        with self.transaction():
            self._deliveries.insert(delivery)
            self._prune()

    def note_success(self, target: ChannelTarget) -> None:
        """Note that a channel works."""
        with self.transaction():
            self._save(after_success(self._health_of(target), self._clock()))

    def note_failure(self, target: ChannelTarget, error: DeliveryError, *, share: float = 1.0) -> None:
        """Note that a channel failed."""
        with self.transaction():
            health = self._health_of(target)
            failed = after_failure(
                health,
                self._clock(),
                str(error),
                retry_after=error.retry_after,
                is_permanent=error.is_permanent,
                share=share,
            )
            self._save(failed)

    def forget_channels(self, names: Iterable[str]) -> None:
        """Forget channels that no receiver has any more; what was to be sent by them is given up."""
        gone = set(names)
        with self.transaction():
            known = [name for name in self._health.all_keys() if name in gone]
            if known:
                self._health.remove_all(known)
            for delivery in self.pending():
                if delivery.channel in gone:
                    self._finish(delivery, NotificationState.FAILED)

    def _finish(self, delivery: Delivery, state: NotificationState) -> None:
        with self.transaction():
            current = self._deliveries.get(delivery.delivery_id)
            if current.state.is_pending:
                self._deliveries.replace(replace(current, state=state, ended_at=self._clock(), message=None))

    def _prune(self) -> None:
        ended = [delivery for delivery in self.all() if not delivery.state.is_pending]
        beats = [delivery for delivery in ended if delivery.reason == HEARTBEAT]
        others = [delivery for delivery in ended if delivery.reason != HEARTBEAT]
        oldest = self._clock() - timedelta(days=KEEP_DAYS)
        too_many = [*beats[:-KEEP_HEARTBEATS], *others[:-KEEP_COUNT]]
        too_old = [delivery for delivery in others[-KEEP_COUNT:] if (delivery.ended_at or delivery.created_at) < oldest]
        old = [delivery.delivery_id for delivery in (*too_many, *too_old)]
        if old:
            self._deliveries.remove_all(old)

    def _health_of(self, target: ChannelTarget) -> ChannelHealth:
        known = self._health.find(target.channel) or ChannelHealth(channel=target.channel)
        return replace(known, receiver=target.receiver, kind=target.kind, addressee=target.addressee or known.addressee)

    def _save(self, health: ChannelHealth) -> None:
        if self._health.find(health.channel) is None:
            self._health.insert(health)
        else:
            self._health.replace(health)

    @property
    def _deliveries(self) -> "Documents[Delivery]":
        return self._workspace.database(DATABASE).documents("deliveries", Delivery, key="delivery_id")

    @property
    def _health(self) -> "Documents[ChannelHealth]":
        return self._workspace.database(DATABASE).documents("channels", ChannelHealth, key="channel")


def _target(delivery: Delivery) -> ChannelTarget:
    return ChannelTarget(delivery.receiver, delivery.channel, delivery.kind, delivery.addressee)


def _ended(
    attempts: tuple[DeliveryAttempt, ...], now: datetime, result: str, detail: str
) -> tuple[DeliveryAttempt, ...]:
    last = attempts[-1] if attempts else DeliveryAttempt(at=now)
    return (*attempts[:-1], replace(last, ended_at=now, result=result, detail=detail))


def delivery_of(message: AlertMessage, target: ChannelTarget, created_at: datetime) -> Delivery:
    """Describe the delivery of a message to a channel before its first attempt; the message itself is left out."""
    return Delivery(
        delivery_id=f"{message.notification_id}:{target.channel}",
        notification_id=message.notification_id,
        receiver=message.receiver,
        channel=target.channel,
        kind=target.kind,
        addressee=target.addressee,
        group_key=message.group_key,
        reason=message.reason,
        status=str(message.status),
        headline=headline(message),
        firing=tuple(alert.fingerprint for alert in message.firing if alert.fingerprint),
        resolved=tuple(alert.fingerprint for alert in message.resolved if alert.fingerprint),
        created_at=created_at,
    )


def _waits_until(delivery: Delivery, health: ChannelHealth | None, now: datetime) -> datetime | None:
    """Return until when a delivery has to wait; None if it can be sent now.

    A pause after a failure that is yet to come is not waited for: the clock was set back, maybe by years.
    """
    tried_at = max((attempt.ended_at or attempt.at for attempt in delivery.attempts[-1:]), default=now)
    failed_at = health.last_failed_at or now if health else now
    pauses = ((delivery.not_before, tried_at), (health.retry_at if health else None, failed_at))
    return max((until for until, since in pauses if until is not None and since <= now < until), default=None)


def _is_unheard(delivery: Delivery) -> bool:
    """Whether nothing of a message has arrived; one of which an attempt may have is repeated, and recognised."""
    return delivery.state is NotificationState.QUEUED and all(each.result == "failed" for each in delivery.attempts)


def _says_all_of(later: Delivery, earlier: Delivery) -> bool:
    """Whether a later message of a group has news of every alert of an earlier one.

    That an alert has ended says that it fired, and since when: who could not be reached in time is told of the end
    alone, and is called to nothing that is over.
    """
    return (
        later.status in (earlier.status, MessageStatus.RESOLVED)
        and {*earlier.firing} <= {*later.firing, *later.resolved}
        and {*earlier.resolved} <= {*later.resolved}
    )
