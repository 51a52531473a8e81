"""Where each alert belongs: its routes, its groups and its side of each inhibition, worked out once for its labels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from core.alerts.alert import Alert
from core.alerts.routing.config import InhibitRule, RouteNode, RoutingConfig
from core.alerts.routing.groups import group_id, group_key

_MOST_KEPT: Final = 50_000


@dataclass(frozen=True, slots=True)
class PlacedGroup:
    """A group that an alert is a member of."""

    group_id: str
    node: RouteNode
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Placement:
    """What follows of the labels of an alert."""

    labels: Mapping[str, str]
    groups: tuple[PlacedGroup, ...]
    is_source: tuple[bool, ...]  # of each inhibition
    is_target: tuple[bool, ...]


class Placements:
    """The placements under one configuration. An alert whose labels are the same as before costs one comparison."""

    def __init__(self, config: RoutingConfig | None) -> None:
        """Prepare.

        Args:
            config: The configuration; None without one: then no alert has a group, and none is inhibited.
        """
        self.config = config
        self.rules: tuple[InhibitRule, ...] = config.inhibit_rules if config is not None else ()
        self._known: dict[str, tuple[Alert, Placement]] = {}

    def of(self, alert: Alert) -> Placement:
        """Return where an alert belongs."""
        known = self._known.get(alert.fingerprint)
        if known is not None and known[0].is_routed_like(alert):
            return known[1]
        if len(self._known) >= _MOST_KEPT:  # of alerts that are gone
            self._known.clear()
        placement = self._placed(alert)
        self._known[alert.fingerprint] = (alert, placement)
        return placement

    def _placed(self, alert: Alert) -> Placement:
        labels = alert.routing_labels
        groups = []
        for node in self.config.route.match(labels) if self.config is not None else ():
            of_group = node.group_of(labels)
            groups.append(PlacedGroup(group_id(node.receiver, group_key(node, of_group)), node, of_group))
        return Placement(
            labels,
            tuple(groups),
            tuple(rule.is_source(labels) for rule in self.rules),
            tuple(rule.is_target(labels) for rule in self.rules),
        )

    def inhibition(self, firing: Iterable[Alert]) -> "Inhibition":
        """Return which alerts keep others from being told.

        Args:
            firing: Every open alert.
        """
        return Inhibition(self.rules, [self.of(alert) for alert in firing] if self.rules else ())


class Inhibition:
    """The firing sources of each inhibition, by the labels that a source and its target must share."""

    def __init__(self, rules: tuple[InhibitRule, ...], firing: Iterable[Placement]) -> None:
        """Sort the sources.

        Args:
            rules: The inhibitions.
            firing: Where every open alert belongs.
        """
        self._rules = rules
        self._sources: list[dict[tuple[str, ...], list[Placement]]] = [{} for _ in rules]
        # An alert on both sides of a rule is not inhibited by its like: neither would be told.
        self._sources_alone: list[dict[tuple[str, ...], list[Placement]]] = [{} for _ in rules]
        for placement in firing:
            for number, rule in enumerate(rules):
                if placement.is_source[number]:
                    shared = _shared(rule, placement.labels)
                    self._sources[number].setdefault(shared, []).append(placement)
                    if not placement.is_target[number]:
                        self._sources_alone[number].setdefault(shared, []).append(placement)

    def source_of(self, target: Placement) -> Mapping[str, str] | None:
        """Return the labels of a firing alert that keeps another from being told; None if none does."""
        for number, rule in enumerate(self._rules):
            if not target.is_target[number]:
                continue
            sources = self._sources_alone if target.is_source[number] else self._sources
            for source in sources[number].get(_shared(rule, target.labels), ()):
                if source.labels != target.labels:
                    return source.labels
        return None


def _shared(rule: InhibitRule, labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values that must be equal; a label that is missing counts as empty."""
    return tuple(labels.get(name, "") for name in rule.equal)
