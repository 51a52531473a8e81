"""From alerts to notifications: routes, groups, intervals, inhibition, silences; what was told is durable.

A look costs what has changed since the last one, and next to nothing if nothing has: with 10,000 firing alerts it is
made as often as with one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import is_
from typing import TYPE_CHECKING, Final

from core.alerts.alert import Alert
from core.alerts.routing.config import RouteNode, RoutingConfig
from core.alerts.routing.groups import AlertGroup, decide, looks_again_at, opened
from core.alerts.routing.muting import muted_alerts
from core.alerts.routing.placement import PlacedGroup, Placements
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
class _Quiet:
    """What a look saw that had nothing to tell, and until when the same has nothing to tell."""

    alerts: Sequence[Alert]
    silences: Sequence[Silence]
    groups: Sequence[AlertGroup]
    since: datetime
    until: datetime | None

    def holds(
        self, alerts: Sequence[Alert], silences: Sequence[Silence], groups: Sequence[AlertGroup], now: datetime
    ) -> bool:
        is_in_time = self.since <= now and (self.until is None or now < self.until)
        # Documents are replaced and never changed: the same objects are the same alerts.
        return is_in_time and all(
            len(before) == len(after) and all(map(is_, before, after))
            for before, after in ((self.alerts, alerts), (self.silences, silences), (self.groups, groups))
        )


class Dispatcher:
    """Follows one configuration over the durable groups of a workspace; used by one thread."""

    def __init__(self, workspace: "Workspace", config: RoutingConfig) -> None:
        """Prepare.

        Args:
            workspace: The workspace with the groups.
            config: The configuration.
        """
        self._workspace = workspace
        self.config = config
        self._placements = Placements(config)
        self._routes = {node.key: node for node in config.route.walk()}
        self._quiet: _Quiet | None = None

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
            The notifications, and when there is more to tell at the earliest although no alert changes; None if never.
        """
        stored_groups = self.groups.all()
        if self._quiet is not None and self._quiet.holds(alerts, silences, stored_groups, now):
            return [], self._quiet.until
        self._quiet = None
        by_fingerprint = {alert.fingerprint: alert for alert in alerts}
        open_alerts = [alert for alert in alerts if alert.state.is_open]
        muted = muted_alerts(self._placements, open_alerts, silences, now).keys()
        members: dict[str, list[str]] = {}
        placed: dict[str, PlacedGroup] = {}
        first_at: dict[str, datetime] = {}
        for alert in open_alerts:
            for group in self._placements.of(alert).groups:
                placed[group.group_id] = group
                members.setdefault(group.group_id, []).append(alert.fingerprint)
                first_at[group.group_id] = min(first_at.get(group.group_id, alert.first_at), alert.first_at)
        known = {group.group_id: group for group in stored_groups}
        is_muted_by_time = _MutedByTime(self.config, now)
        notifications: list[Notification] = []
        changes = _Changes()
        times = [*_turns(open_alerts, silences, now)]
        for identity in sorted(known.keys() | placed.keys()):
            stored = known.get(identity)
            if identity in placed:
                node = placed[identity].node
                looked = stored or opened(node, placed[identity].labels, first_at[identity], now)
            elif stored is not None:
                looked = stored
                # A route that the file no longer has is followed as the first one until all is over that it told of.
                node = self._routes.get(_route_of(stored.group_key), self.config.route)
            decision = decide(
                looked,
                node,
                by_fingerprint,
                members=members.get(identity, ()),
                muted=muted,
                is_muted_by_time=is_muted_by_time(node),
                now=now,
            )
            changes.note(stored, decision.group)
            if decision.group is not None and (at := looks_again_at(decision.group, node, now)) is not None:
                times.append(at)
            if decision.alerts:
                notifications.append(
                    Notification(
                        looked.receiver, looked.group_key, looked.group_labels, decision.alerts, decision.reason
                    )
                )
        changes.store(self.groups)
        if is_muted_by_time.depends_on_time:
            times.append(now.replace(second=0, microsecond=0) + timedelta(minutes=1))
        until = min((at for at in times if at > now), default=None)
        if not notifications and not changes:  # a change is only kept if the transaction of the caller is
            self._quiet = _Quiet(alerts, silences, stored_groups, now, until)
        return notifications, until


class _MutedByTime:
    """Which routes tell nothing at an instant."""

    def __init__(self, config: RoutingConfig, now: datetime) -> None:
        self.depends_on_time = False
        self.config, self._now = config, now
        self._known: dict[str, bool] = {}

    def __call__(self, node: RouteNode) -> bool:
        if node.key not in self._known:
            self.depends_on_time |= bool(node.mute_time_intervals or node.active_time_intervals)
            self._known[node.key] = self.config.is_muted_by_time(node, self._now)
        return self._known[node.key]


class _Changes:
    """The groups that a look changed, stored in one step of each kind."""

    def __init__(self) -> None:
        self._new: list[AlertGroup] = []
        self._changed: list[AlertGroup] = []
        self._gone: list[str] = []

    def note(self, before: AlertGroup | None, after: AlertGroup | None) -> None:
        if before is None and after is not None:
            self._new.append(after)
        elif before is not None and after is None:
            self._gone.append(before.group_id)
        elif before is not None and after is not None and after is not before and after != before:
            self._changed.append(after)

    def __bool__(self) -> bool:
        return bool(self._new or self._changed or self._gone)

    def store(self, groups: "Documents[AlertGroup]") -> None:
        if self._gone:
            groups.remove_all(self._gone)
        if self._changed:
            groups.replace_all(self._changed)
        if self._new:
            groups.insert_all(self._new)


def _turns(alerts: Sequence[Alert], silences: Sequence[Silence], now: datetime) -> Iterator[datetime]:
    """Yield when snoozes end, and silences begin and end."""
    for silence in silences:
        yield from (silence.starts_at, silence.ends_at)
    for alert in alerts:
        if alert.snoozed_until is not None and alert.is_snoozed(now):
            yield alert.snoozed_until


def groups_of(workspace: "Workspace") -> "Documents[AlertGroup]":
    """Return the groups of a workspace, with what their receivers were told."""
    return workspace.database(DATABASE).documents(GROUPS, AlertGroup, key="group_id")


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
