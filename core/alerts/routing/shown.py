"""Routes as people read them."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from core.alerts.durations import duration_text
from core.alerts.routing.config import RoutingConfig
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
