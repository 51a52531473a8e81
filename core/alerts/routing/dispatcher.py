"""From alerts to notifications: routes, groups, intervals, inhibition, silences; what was told is durable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from core.alerts.alert import Alert
from core.alerts.routing.config import RouteNode, RoutingConfig
from core.alerts.routing.groups import AlertGroup, decide, group_id, group_key, opened
from core.alerts.silences.silence import Silence

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE: Final = "notifications"
"""Shared with the outbox: that a group was told and what is to be sent become durable together."""
GROUPS: Final = "groups"


@dataclass(frozen=True, slots=True)
class Notification:
    """What a receiver is to be told of a group."""

    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    alerts: tuple[Alert, ...]
    reason: str  # first, changed, repeat, resolved


@dataclass(frozen=True, slots=True)
class Muted:
    """Why an open alert is not told."""

    by: str  # acknowledged, snoozed, silenced, inhibited
    why: str


class Dispatcher:
    """Follows one configuration over the durable groups of a workspace."""

    def __init__(self, workspace: "Workspace", config: RoutingConfig) -> None:
        """Prepare.

        Args:
            workspace: The workspace with the groups.
            config: The configuration.
        """
        self._workspace = workspace
        self._config = config

    @property
    def groups(self) -> "Documents[AlertGroup]":
        """The groups by key."""
        return groups_of(self._workspace)

    def dispatch(
        self, alerts: Sequence[Alert], silences: Sequence[Silence], now: datetime
    ) -> tuple[list[Notification], datetime | None]:
        """Decide on the notifications that are due, and note them as told, within the caller's transaction.

        Args:
            alerts: Every alert, those resolved lately included.
            silences: Every silence.
            now: The time.

        Returns:
            The notifications, and when a group is to be looked at next; None if there is no group.
        """
        by_fingerprint = {alert.fingerprint: alert for alert in alerts}
        open_alerts = [alert for alert in alerts if alert.state.is_open]
        muted = set(muted_alerts(self._config, open_alerts, silences, now))
        members: dict[str, set[str]] = {}
        nodes: dict[str, tuple[RouteNode, dict[str, str]]] = {}
        first_at: dict[str, datetime] = {}
        for alert in open_alerts:
            labels = alert.routing_labels
            for route in self._config.route.match(labels):
                group_labels = route.group_of(labels)
                key = group_id(route.receiver, group_key(route, group_labels))
                nodes[key] = (route, group_labels)
                members.setdefault(key, set()).add(alert.fingerprint)
                first_at[key] = min(first_at.get(key, alert.first_at), alert.first_at)
        known = {group.group_id: group for group in self.groups.all()}
        routes = {node.key: node for node in self._config.route.walk()}
        notifications: list[Notification] = []
        later: list[datetime] = []
        new: list[AlertGroup] = []
        for identity in sorted(known.keys() | nodes.keys()):
            stored = known.get(identity)
            if identity in nodes:
                node, group_labels = nodes[identity]
                group = stored or opened(node, group_labels, first_at[identity], now)
            elif stored is not None:
                group = stored
                # A route that the file no longer has is followed as the first one until all is over that it told of.
                node = routes.get(_route_of(group.group_key), self._config.route)
            decision = decide(
                group,
                node,
                by_fingerprint,
                members=members.get(identity, set()),
                muted=muted,
                is_muted_by_time=self._config.is_muted_by_time(node, now),
                now=now,
            )
            if stored is None and decision.group is not None:
                new.append(decision.group)
            elif stored is not None:
                self._store(stored, decision.group)
            if decision.group is not None and decision.group.next_at > now:
                later.append(decision.group.next_at)
            if decision.alerts:
                notifications.append(
                    Notification(group.receiver, group.group_key, group.group_labels, decision.alerts, decision.reason)
                )
        if new:
            self.groups.insert_all(new)
        return notifications, min(later, default=None)

    def _store(self, before: AlertGroup, after: AlertGroup | None) -> None:
        if after is None:
            self.groups.remove(before.group_id)
        elif after != before:
            self.groups.replace(after)


def groups_of(workspace: "Workspace") -> "Documents[AlertGroup]":
    """Return the groups of a workspace, with what their receivers were told."""
    return workspace.database(DATABASE).documents(GROUPS, AlertGroup, key="group_id")


def muted_alerts(
    config: RoutingConfig | None, open_alerts: Sequence[Alert], silences: Sequence[Silence], now: datetime
) -> dict[str, Muted]:
    """Return the open alerts that nobody is told of, by fingerprint, and why.

    Args:
        config: The configuration, for its inhibitions; None without one.
        open_alerts: The open alerts.
        silences: Every silence.
        now: The time.
    """
    active = [silence for silence in silences if silence.is_active(now)]
    firing = [alert.routing_labels for alert in open_alerts] if config is not None and config.inhibit_rules else []
    found: dict[str, Muted] = {}
    for alert in open_alerts:
        if alert.is_acknowledged:
            found[alert.fingerprint] = Muted("acknowledged", f"by {alert.acknowledged_by}")
        elif alert.is_snoozed(now):
            found[alert.fingerprint] = Muted("snoozed", f"until {alert.snoozed_until:%Y-%m-%d %H:%M} UTC")
        elif (silence := next((each for each in active if each.hides(alert)), None)) is not None:
            found[alert.fingerprint] = Muted("silenced", f"by {silence.silence_id}: {silence.comment}")
        elif config is not None and (source := config.inhibitors(alert.routing_labels, firing)) is not None:
            found[alert.fingerprint] = Muted("inhibited", f"by {source.get('alertname', 'another alert')}")
    return found


def _route_of(key: str) -> str:
    """Return the key of the route in the key of a group.

    >>> _route_of('{}/{severity="critical"}:{model="a:{b"}')
    '{}/{severity="critical"}'
    """
    in_quotes, is_escaped = False, False
    for index, character in enumerate(key):
        if is_escaped:
            is_escaped = False
        elif character == "\\":
            is_escaped = True
        elif character == '"':
            in_quotes = not in_quotes
        elif character == ":" and not in_quotes:
            return key[:index]
    return key
