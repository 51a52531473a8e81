"""From alerts to notifications: routes, groups, intervals, inhibition, silences; what was told is durable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from core.alerts.alert import Alert
from core.alerts.routing.config import RouteNode, RoutingConfig
from core.alerts.routing.groups import AlertGroup, decide, group_key, opened
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
                key = group_key(route, group_labels)
                nodes[key] = (route, group_labels)
                members.setdefault(key, set()).add(alert.fingerprint)
                first_at[key] = min(first_at.get(key, alert.first_at), alert.first_at)
        known = {group.group_key: group for group in self.groups.all()}
        routes = {node.key: node for node in self._config.route.walk()}
        notifications: list[Notification] = []
        kept: list[datetime] = []
        for key in sorted(known.keys() | nodes.keys()):
            stored = known.get(key)
            node = routes.get(_route_of(key)) if key not in nodes else nodes[key][0]
            if stored is not None and (node is None or node.receiver != stored.receiver):
                # The configuration has changed: whom it no longer names is told of what is over, and of no more.
                notifications += self._left(stored, by_fingerprint)
                self.groups.remove(key)
                stored = None
            if node is None or (stored is None and key not in nodes):
                continue
            group = stored or opened(node, nodes[key][1], first_at[key], now)
            decision = decide(
                group,
                node,
                by_fingerprint,
                members=members.get(key, set()),
                muted=muted,
                is_muted_by_time=self._config.is_muted_by_time(node, now),
                now=now,
            )
            self._store(key, stored, decision.group)
            if decision.group is not None:
                kept.append(decision.group.next_at)
            if decision.alerts:
                notifications.append(
                    Notification(node.receiver, key, group.group_labels, decision.alerts, decision.reason)
                )
        return notifications, min(kept, default=None)

    def _left(self, group: AlertGroup, alerts: Mapping[str, Alert]) -> list[Notification]:
        over = tuple(alerts[each] for each in group.told if each in alerts and not alerts[each].state.is_open)
        if not over:
            return []
        return [Notification(group.receiver, group.group_key, group.group_labels, over, "resolved")]

    def _store(self, key: str, before: AlertGroup | None, after: AlertGroup | None) -> None:
        if after is None:
            if before is not None:
                self.groups.remove(key)
        elif before is None:
            self.groups.insert(after)
        elif after != before:
            self.groups.replace(after)


def groups_of(workspace: "Workspace") -> "Documents[AlertGroup]":
    """Return the groups of a workspace, with what their receivers were told."""
    return workspace.database(DATABASE).documents(GROUPS, AlertGroup, key="group_key")


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
