"""An Alertmanager configuration, as far as it decides who is told and when."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from core.alerts.routing.time_intervals import TimeInterval
from core.alerts.selecting import AlertMatcher
from core.promql.template_reading import NO_LIBRARY, TemplateLibrary

ALL_LABELS = "..."
"""In `group_by`: every alert is a group of its own."""


@dataclass(frozen=True, slots=True)
class ReceiverBlock:
    """One entry of a receiver: a channel with its fields."""

    kind: str  # the key in the file, such as "webhook_configs"
    fields: Mapping[str, Any]
    place: str  # "file:line:column"
    lacks_secret: bool = False  # it is known from the state, where its secret is not kept


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told, and over which channels."""

    name: str
    blocks: tuple[ReceiverBlock, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteNode:
    """One node of the tree of routes; what it does not say, it takes over from its parent."""

    key: str  # as in Alertmanager's group keys: the matchers of every node from the root
    receiver: str
    group_by: tuple[str, ...]
    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta
    matchers: tuple[AlertMatcher, ...]
    goes_on: bool  # `continue`
    mute_time_intervals: tuple[str, ...]
    active_time_intervals: tuple[str, ...]
    routes: tuple["RouteNode", ...] = ()

    def match(self, labels: Mapping[str, str]) -> list["RouteNode"]:
        """Return the nodes that handle an alert with these labels, in the order of the tree; empty if none does."""
        if not all(matcher.accepts_value(labels.get(matcher.name, "")) for matcher in self.matchers):
            return []
        found: list[RouteNode] = []
        for route in self.routes:
            matched = route.match(labels)
            found += matched
            if matched and not route.goes_on:
                break
        return found or [self]

    def group_of(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return the labels that make the group of an alert."""
        if ALL_LABELS in self.group_by:
            return dict(sorted(labels.items()))
        return {name: labels[name] for name in sorted(self.group_by) if labels.get(name)}

    def walk(self) -> Iterator["RouteNode"]:
        """Yield this node and all below it."""
        yield self
        for route in self.routes:
            yield from route.walk()


@dataclass(frozen=True, slots=True)
class InhibitRule:
    """While a source fires, its targets are not told."""

    source: tuple[AlertMatcher, ...]
    target: tuple[AlertMatcher, ...]
    equal: tuple[str, ...]

    def is_source(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert can inhibit others."""
        return _accept(self.source, labels)

    def is_target(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert can be inhibited."""
        return _accept(self.target, labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    """One configuration file."""

    file: Path
    is_private: bool = False  # its owner alone could read the file, so that it may hold secrets itself
    route: RouteNode
    receivers: Mapping[str, Receiver]
    inhibit_rules: tuple[InhibitRule, ...] = ()
    time_intervals: Mapping[str, tuple[TimeInterval, ...]] = field(default_factory=dict)
    global_fields: Mapping[str, Any] = field(default_factory=dict)
    templates: tuple[str, ...] = ()  # the patterns of `templates`, as whole paths
    unmatched: tuple[str, ...] = ()  # "file:line:column" of each pattern that names no file
    library: TemplateLibrary = field(default=NO_LIBRARY, compare=False, repr=False)
    """What the files of `templates` define, and Alertmanager brings."""
    written: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)  # the file, aliases expanded

    def is_muted_by_time(self, node: RouteNode, now: datetime) -> bool:
        """Whether a route tells nothing now: in a mute interval, or outside all active intervals."""
        if self._is_within(node.mute_time_intervals, now):
            return True
        return bool(node.active_time_intervals) and not self._is_within(node.active_time_intervals, now)

    def _is_within(self, names: Sequence[str], now: datetime) -> bool:
        return any(interval.contains(now) for name in names for interval in self.time_intervals[name])


def _accept(matchers: Sequence[AlertMatcher], labels: Mapping[str, str]) -> bool:
    return all(matcher.accepts_value(labels.get(matcher.name, "")) for matcher in matchers)
