"""The open alerts as Alertmanager's API v2 shows them: who hears of each, what hides it, and its groups."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from core.alerts import Alert, Alerts
from core.alerts.external import RESOLVE_TIMEOUT
from core.alerts.routing.in_force import routing_in_force
from core.alerts.routing.placement import Inhibition, Placements
from core.alerts.selecting import AlertMatcher, require_usable
from core.alerts.silences import Silences
from core.clock import utc_now
from core.state import Workspace


class AlertStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether an alert is told to anyone."""

    state: str
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()


class AlertReceiver(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told of an alert."""

    name: str


class GettableAlert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An alert as Alertmanager shows it."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    updated_at: datetime
    fingerprint: str
    status: AlertStatus
    receivers: tuple[AlertReceiver, ...]
    generator_url: str = msgspec.field(default="", name="generatorURL")


class GettableGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The alerts of one group of one route."""

    labels: dict[str, str]
    receiver: AlertReceiver
    alerts: list[GettableAlert]


NOBODY_ELSE: Final = AlertReceiver(name="bondx")
"""The receiver of every alert without a routing file."""


class AlertFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts are wanted."""

    active: bool = True
    silenced: bool = True
    inhibited: bool = True
    matchers: tuple[AlertMatcher, ...] = ()
    receiver: AlertMatcher | None = None

    @classmethod
    def receiver_matcher(cls, pattern: str | None) -> AlertMatcher | None:
        """Read the pattern of a receiver's name.

        Raises:
            UsageError: It cannot be used.
        """
        if pattern is None:
            return None
        matcher = AlertMatcher("receiver", "=~", pattern)
        require_usable(matcher)
        return matcher

    def wants(self, alert: GettableAlert) -> bool:
        """Whether an alert is wanted, whoever hears of it. An acknowledged or snoozed one counts as silenced."""
        status = alert.status
        if status.state == "active":
            is_wanted = self.active
        else:
            is_wanted = (self.silenced or not (status.silenced_by or not status.inhibited_by)) and (
                self.inhibited or not status.inhibited_by
            )
        return is_wanted and all(each.accepts_value(alert.labels.get(each.name, "")) for each in self.matchers)

    def wants_receiver(self, receiver: AlertReceiver) -> bool:
        """Whether what a receiver hears is wanted."""
        return self.receiver is None or self.receiver.accepts_value(receiver.name)


class AlertmanagerView:
    """The open alerts of a workspace at one moment."""

    def __init__(self, workspace: Workspace) -> None:
        """Read the alerts, the silences and the routing file; one that cannot be used counts as none."""
        self._now = utc_now()
        self._config = routing_in_force(workspace)
        self._placements = Placements(self._config)
        self._open = Alerts(workspace).open()
        self._silences = Silences(workspace).active()
        self._inhibition: Inhibition = self._placements.inhibition(self._open)
        self._fingerprints = {_key(self._placements.of(alert).labels): alert.fingerprint for alert in self._open}

    def alerts(self, wanted: AlertFilter) -> list[GettableAlert]:
        """Return the alerts that are wanted."""
        found = [self._gettable(alert) for alert in self._open]
        return [each for each in found if wanted.wants(each) and any(map(wanted.wants_receiver, each.receivers))]

    def groups(self, wanted: AlertFilter) -> list[GettableGroup]:
        """Return the groups with the alerts that are wanted, by receiver and labels; none is empty."""
        groups: dict[str, GettableGroup] = {}
        for alert in self._open:
            shown = self._gettable(alert)
            if not wanted.wants(shown):
                continue
            placed = [
                (group.group_id, AlertReceiver(name=group.node.receiver), dict(group.labels))
                for group in self._placements.of(alert).groups
            ]
            for identity, receiver, labels in placed or [("", NOBODY_ELSE, {})]:
                if wanted.wants_receiver(receiver):
                    group = groups.setdefault(identity, GettableGroup(labels=labels, receiver=receiver, alerts=[]))
                    group.alerts.append(shown)
        return sorted(groups.values(), key=lambda group: (sorted(group.labels.items()), group.receiver.name))

    def receivers(self) -> list[AlertReceiver]:
        """Return who can be told."""
        if self._config is None:
            return [NOBODY_ELSE]
        return [AlertReceiver(name=name) for name in self._config.receivers]

    def _gettable(self, alert: Alert) -> GettableAlert:
        placement = self._placements.of(alert)
        silenced_by = tuple(each.silence_id for each in self._silences if each.accepts(placement.labels))
        source = self._inhibition.source_of(placement)
        inhibited_by = () if source is None else (self._fingerprints[_key(source)],)
        is_suppressed = bool(silenced_by or inhibited_by) or alert.is_muted(self._now)
        ours = {} if alert.is_external else {"summary": alert.summary, "advice": alert.advice}
        texts = {**ours, **alert.annotations}
        is_ended_by_sender = alert.is_external and alert.ends_at is not None
        receivers = tuple(AlertReceiver(name=group.node.receiver) for group in placement.groups)
        return GettableAlert(
            labels=dict(placement.labels),
            annotations={name: text for name, text in texts.items() if text},
            starts_at=alert.first_at,
            ends_at=alert.ends_at if is_ended_by_sender and alert.ends_at else self._now + RESOLVE_TIMEOUT,
            updated_at=alert.updated_at or alert.last_at,
            fingerprint=alert.fingerprint,
            status=AlertStatus(
                state="suppressed" if is_suppressed else "active", silenced_by=silenced_by, inhibited_by=inhibited_by
            ),
            receivers=receivers or (NOBODY_ELSE,),
            generator_url=alert.generator_url,
        )


def _key(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())
