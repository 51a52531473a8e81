"""Routes as people read them."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from core.alerts.durations import duration_text
from core.alerts.routing.config import RouteNode, RoutingConfig
from core.clock import utc_now


class ListedRoute(msgspec.Struct, frozen=True, kw_only=True):
    """One route with all that it says or takes over."""

    receiver: str
    route: str  # the matchers of every route from the top
    group_by: str
    group_wait: str
    group_interval: str
    repeat_interval: str
    is_quiet: bool  # tells nothing at this hour


def routes_shown(
    config: RoutingConfig, labels: Mapping[str, str] | None = None, *, now: datetime | None = None
) -> list[ListedRoute]:
    """List routes.

    Args:
        config: The configuration.
        labels: Only the routes that would tell of an alert with these; None: every route.
        now: The time; by default the present.
    """
    at = now or utc_now()
    nodes = config.route.walk() if labels is None else config.route.match(labels)
    return [
        ListedRoute(
            receiver=node.receiver,
            route=node.key,
            group_by=", ".join(node.group_by),
            group_wait=duration_text(node.group_wait),
            group_interval=duration_text(node.group_interval),
            repeat_interval=duration_text(node.repeat_interval),
            is_quiet=config.is_muted_by_time(node, at),
        )
        for node in nodes
    ]


class RouteTree(msgspec.Struct, frozen=True, kw_only=True):
    """One route with the routes below it."""

    receiver: str
    matchers: list[str]
    goes_on: bool = msgspec.field(name="continue")
    group_by: list[str]
    group_wait: str
    group_interval: str
    repeat_interval: str
    mute_time_intervals: list[str]
    active_time_intervals: list[str]
    is_quiet: bool  # tells nothing at this hour
    routes: list["RouteTree"]


def route_tree(
    config: RoutingConfig, labels: Mapping[str, str] | None = None, *, now: datetime | None = None
) -> RouteTree:
    """Return the routes as the tree that they are.

    Args:
        config: The configuration.
        labels: Only the routes on the way to those that would tell of an alert with these; None: every route.
        now: The time; by default the present.
    """
    at = now or utc_now()
    found = None if labels is None else {node.key for node in config.route.match(labels)}
    tree = _tree(config, config.route, found, at)
    return tree or _shown(config, config.route, [], at)


def _tree(config: RoutingConfig, node: RouteNode, found: set[str] | None, at: datetime) -> RouteTree | None:
    below = [tree for route in node.routes if (tree := _tree(config, route, found, at)) is not None]
    if found is not None and not below and node.key not in found:
        return None
    return _shown(config, node, below, at)


def _shown(config: RoutingConfig, node: RouteNode, below: list[RouteTree], at: datetime) -> RouteTree:
    return RouteTree(
        receiver=node.receiver,
        matchers=[str(matcher) for matcher in node.matchers],
        goes_on=node.goes_on,
        group_by=list(node.group_by),
        group_wait=duration_text(node.group_wait),
        group_interval=duration_text(node.group_interval),
        repeat_interval=duration_text(node.repeat_interval),
        mute_time_intervals=list(node.mute_time_intervals),
        active_time_intervals=list(node.active_time_intervals),
        is_quiet=config.is_muted_by_time(node, at),
        routes=below,
    )


def tree_lines(tree: RouteTree) -> Iterator[str]:
    """Draw a tree of routes, as `amtool config routes show` does."""
    yield "."
    yield from _lines(tree, "", is_last=True)


def _lines(tree: RouteTree, indent: str, *, is_last: bool) -> Iterator[str]:
    name = "{" + ",".join(tree.matchers) + "}" if tree.matchers else "default-route"
    words = [name, *(["continue: true"] if tree.goes_on else []), f"receiver: {tree.receiver}"]
    yield f"{indent}{'└──' if is_last else '├──'} {'  '.join(words)}"
    below = indent + ("    " if is_last else "│   ")
    for number, route in enumerate(tree.routes, start=1):
        yield from _lines(route, below, is_last=number == len(tree.routes))
