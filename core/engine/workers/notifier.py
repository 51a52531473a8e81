"""Notify: from alerts, routing and silences to messages in the outbox, and from there to the receivers."""

import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar, Final

from typing_extensions import override

from core.alerts.alert import Alert
from core.alerts.delivery.acknowledgements import acknowledgements
from core.alerts.delivery.alertmanager_feed import AlertmanagerFeed, target_of
from core.alerts.delivery.console_lines import tell_consoles
from core.alerts.delivery.heartbeat import beat
from core.alerts.delivery.message import AlertMessage, RoutedNotification, message_of, notified
from core.alerts.delivery.outbox import ChannelTarget, Outbox, OutgoingMessage
from core.alerts.delivery.receivers import CONSOLES, ConfiguredChannel, Receivers, RoutingFile, RoutingSource
from core.alerts.delivery.records import ChannelHealth
from core.alerts.delivery.sender import FAILED_RULE, Sender, is_dead, working
from core.alerts.escalation.escalation import Escalation
from core.alerts.escalation.policy import EscalationPolicies
from core.alerts.escalation.routed import ToldByRoutes
from core.alerts.routing.config import RoutingConfig
from core.alerts.routing.dispatcher import groups_of
from core.alerts.routing.muting import muted_alerts
from core.alerts.routing.placement import Placements
from core.alerts.silences import Silences
from core.alerts.silences.ending import ending
from core.alerts.silences.silence import ENDING_RULE
from core.engine.context import EngineContext
from core.engine.routing_in_force import RULE as UNUSABLE
from core.engine.routing_in_force import RoutingInForce
from core.engine.worker import Worker
from core.view.snapshot import Snapshot
from core.view.source import take_snapshot
from core.view.suspects import suspect_of

log = logging.getLogger(__name__)

STEP_SECONDS: Final = 5.0
_LEAST_SECONDS: Final = 0.2
_STOP_SECONDS: Final = 3.0


class Notifier(Worker):
    """Looks at the alerts every five seconds, and at once when they change."""

    name: ClassVar[str] = "notifier"
    watches: ClassVar[frozenset[str]] = frozenset({"alerts", "silences"})

    def __init__(self, context: EngineContext, routing: RoutingSource | None = None) -> None:
        """Prepare to notify.

        Args:
            context: The engine's own instances.
            routing: Decides who is told; by default the routing file of the settings.
        """
        self._routing: RoutingSource = RoutingInForce(context) if routing is None else routing
        self.wake = threading.Event()
        self._context = context
        self._workspace = context.workspace
        self._clock = context.clock
        self._settings = context.settings.alerts
        self._config: RoutingFile | None = self._routing.config
        self._snapshot: Snapshot | None = None
        self.outbox = Outbox(context.workspace, clock=context.clock, retry_hours=self._settings.delivery.retry_hours)
        self._feed = AlertmanagerFeed(self.outbox, clock=context.clock, on_progress=self.wake.set)
        self._receivers = self._new_receivers()
        self._sender = self._new_sender()
        self._silences = Silences(context.workspace, clock=context.clock)
        self._placements = Placements(None)
        self._escalation = self._new_escalation()
        self._escalation_problem: str | None = None  # None: of an earlier engine's alert, nothing is known yet
        self._place = f"{context.workspace.root.name} on {socket.gethostname()}"

    @override
    def step(self) -> float:
        now = self._clock()
        self._snapshot = None
        self._configure()
        alerts = self._context.alerts.all()
        tell_consoles(self._workspace, alerts, now)
        times = [
            self._notify(alerts, now),
            self._beat(now),
            self._post_to_alertmanagers(alerts),
            self.outbox.next_due_at(),
        ]
        self.outbox.expire()
        self._sender.start_due()
        self._judge_channels(now)
        self._judge_silences(now)
        self._judge_escalation()
        waits = [(at - self._clock()).total_seconds() for at in times if at is not None]
        return max(_LEAST_SECONDS, min([STEP_SECONDS, *waits]))

    @override
    def end(self, *, after_failure: bool) -> None:
        self._sender.stop(_STOP_SECONDS)
        self._sender = self._new_sender()

    def _new_receivers(self) -> Receivers:
        return Receivers(self._workspace, self._settings, self._config, clock=self._clock)

    def _new_escalation(self) -> Escalation:
        self._policies = EscalationPolicies(self._settings.escalation, self._settings.oncall)
        return Escalation(self._workspace, self._policies, self._receivers.names())

    def _new_sender(self) -> Sender:
        return Sender(
            self.outbox,
            lambda: self._receivers,
            timeout_seconds=lambda: self._settings.delivery.timeout_seconds,
            on_progress=self.wake.set,
        )

    def _configure(self) -> None:
        """Take over settings and a routing that have changed; files that cannot be read leave both as they are."""
        settings, config = self._context.current.read().alerts, self._routing.config
        if settings is self._settings and config is self._config:
            return
        self._settings, self._config = settings, config
        self.outbox.retry_hours = self._settings.delivery.retry_hours
        self._receivers = self._new_receivers()
        self._escalation = self._new_escalation()

    def _notify(self, alerts: Sequence[Alert], now: datetime) -> datetime | None:
        """Queue what routing and escalation decided on, each in one durable step; return when to ask again."""
        by_fingerprint = {alert.fingerprint: alert for alert in alerts}
        times = []
        config = self._config  # that of the receivers: one that came since may name others
        if config is not None:
            with self.outbox.transaction():
                notifications, again_at = self._routing.dispatch(alerts, now)
                times.append(again_at)
                self.enqueue(notifications, now)
        times.append(self._escalate(config if isinstance(config, RoutingConfig) else None, alerts, now))
        taken = acknowledgements(self.outbox, self._receivers, by_fingerprint, now=now, workspace=self._place)
        self.outbox.enqueue_all([OutgoingMessage(message, (target,)) for message, target in taken])
        return min((at for at in times if at is not None), default=None)

    def _escalate(self, config: RoutingConfig | None, alerts: Sequence[Alert], now: datetime) -> datetime | None:
        """Queue what is due by the steps of `alerts.escalation`; return when the next step falls due."""
        open_alerts = [alert for alert in alerts if alert.state.is_open]
        if not self._escalation.may_tell(open_alerts):
            return None
        if self._placements.config is not config:
            self._placements = Placements(config)
        muted = muted_alerts(self._placements, open_alerts, self._silences.all(), now)
        told_anyway = ToldByRoutes(
            self._placements, lambda: {group.group_id: group for group in groups_of(self._workspace).all()}, now
        )
        with self.outbox.transaction():
            notifications, again_at = self._escalation.dispatch(alerts, muted, now, told_anyway)
            self.enqueue(notifications, now)
        return again_at

    def enqueue(self, notifications: Sequence[RoutedNotification], now: datetime) -> None:
        """Put notifications into words, and queue them for the channels of their receivers."""
        health = self.outbox.health() if notifications else {}
        self.outbox.enqueue_all([out for each in notifications for out in self._outgoing(each, health, now)])

    def _outgoing(
        self, notification: RoutedNotification, health: dict[str, ChannelHealth], now: datetime
    ) -> Iterator[OutgoingMessage]:
        message = message_of(notification, now=now, workspace=self._place, suspect_of=self._suspect)
        configured, untold = list[ConfiguredChannel](), list[ChannelTarget]()
        for each in self._receivers.channels(message.receiver):
            if notification.reason == "resolved" and not each.sends_resolved:
                untold.append(each.target)
            else:
                configured.append(each)
        is_alternative = self._receivers.is_alternative(message.receiver)
        ordered = working(tuple(configured), health) if is_alternative else configured
        targets = tuple(each.target for each in ordered)
        yield OutgoingMessage(message, targets, is_alternative=is_alternative, untold=tuple(untold))
        if is_about_dead_channel(notification) and all(is_dead(health.get(each.target.channel)) for each in ordered):
            yield from self._elsewhere(message, health)

    def _elsewhere(self, message: AlertMessage, health: dict[str, ChannelHealth]) -> Iterator[OutgoingMessage]:
        """Tell another receiver that a channel is dead, because none of the receiver's own works."""
        for receiver in self._receivers.names():
            live: list[ChannelTarget] = [
                each.target
                for each in self._receivers.channels(receiver)
                if receiver != CONSOLES and not is_dead(health.get(each.target.channel))
            ]
            if live and receiver != message.receiver:
                yield OutgoingMessage(message, (live[0],), instead_of=message.receiver)
                return

    def _suspect(self, alert: Alert) -> str:
        if "model" not in alert.labels:
            return ""
        if self._snapshot is None:  # one for all alerts of a step
            self._snapshot = take_snapshot(self._workspace)
        found = suspect_of(alert, self._snapshot)
        return str(found) if found is not None else ""

    def _beat(self, now: datetime) -> datetime | None:
        heartbeat = self._settings.heartbeat
        if heartbeat is None:
            return None
        return beat(self.outbox, self._receivers, heartbeat, now=now, workspace=self._place)

    def _post_to_alertmanagers(self, alerts: Sequence[Alert]) -> datetime | None:
        return self._feed.post(
            self._settings.alertmanagers,
            alerts,
            lambda alert: notified(alert, self._suspect(alert)),
            timeout_seconds=self._settings.delivery.timeout_seconds,
        )

    def _judge_channels(self, now: datetime) -> None:
        """Fire an alert for each channel that fails, and clear it once the channel works or is gone."""
        known = {each.target.channel for each in self._receivers.all()}
        known |= {target_of(address).channel for address in self._settings.alertmanagers}
        health = self.outbox.health()
        if gone := health.keys() - known:
            self.outbox.forget_channels(gone)
        alerts = self._context.alerts
        failing = {name: each for name, each in health.items() if name in known and each.is_failing}
        for name, each in failing.items():
            since = f" since {each.opened_at:%H:%M} UTC" if each.opened_at else ""
            summary = f"{name} delivers nothing{since}: {each.last_error}"
            alerts.fire(FAILED_RULE, labels=_labels(each.receiver, name), summary=summary, now=now)
        for alert in alerts.open():
            if alert.rule == FAILED_RULE and alert.labels.get("channel") not in failing:
                alerts.clear(FAILED_RULE, labels=alert.labels, now=now, reason="the channel delivers again, or is gone")

    def _judge_silences(self, now: datetime) -> None:
        """Fire an alert for each silence that ends soon and hides firing alerts, and clear it once that is over."""
        alerts, open_alerts = self._context.alerts, self._context.alerts.open()
        found = ending(self._silences.all(), open_alerts, now)
        for silence_id, summary in found.items():
            alerts.fire(ENDING_RULE, labels={"silence": silence_id}, summary=summary, now=now)
        for alert in open_alerts:
            if alert.rule == ENDING_RULE and alert.labels.get("silence") not in found:
                reason = "the silence ended, or hides no firing alert"
                alerts.clear(ENDING_RULE, labels=alert.labels, now=now, reason=reason)

    def _judge_escalation(self) -> None:
        """Fire an alert on steps that cannot be told, and clear it once they can."""
        problems = [*self._policies.problems, *self._policies.unknown(self._receivers.names(), self._receivers.unsent)]
        problem = "; ".join(problems)
        if problem == self._escalation_problem:
            return
        alerts, now, labels = self._context.alerts, self._clock(), {"part": "escalation"}
        if problem:
            log.error("steps of alerts.escalation cannot be told: %s", problem)
            summary = f"Steps of alerts.escalation cannot be told: {problem}."
            alerts.fire(UNUSABLE, labels=labels, summary=summary, now=now)
        else:
            alerts.clear(UNUSABLE, labels=labels, now=now, reason="every step has a receiver")
        self._escalation_problem = problem


def is_about_dead_channel(notification: RoutedNotification) -> bool:
    """Whether a notification says that a channel is dead; an alert of this name from elsewhere does not."""
    return any(alert.rule == FAILED_RULE and alert.state.is_open for alert in notification.alerts)


def _labels(receiver: str, channel: str) -> dict[str, str]:
    return {"receiver": receiver, "channel": channel}
