"""The routing file of a workspace as any process reads it, and which alerts it keeps from being told."""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.alerts.alert import Alert
from core.alerts.routing.config import RoutingConfig
from core.alerts.routing.placement import Placements
from core.alerts.routing.reading import load_routing, routing_file
from core.errors import CoreError
from core.settings import settings_in_force

if TYPE_CHECKING:
    from core.state import Workspace


def routing_in_force(workspace: "Workspace") -> RoutingConfig | None:
    """Return the routing that the settings name; None without one, or while it cannot be used."""
    try:
        file = routing_file(workspace.root, settings_in_force(workspace.root).alerts.routing)
        if file is None:
            return None
        status = os.stat(file)
        return _loaded(file, (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
    except (CoreError, OSError):  # the engine says so, by the alert routing_unusable
        return None


@lru_cache(maxsize=4)
def _loaded(file: Path, _version: Sequence[int]) -> RoutingConfig:
    return load_routing(file)


def inhibited_by(placements: Placements, open_alerts: Sequence[Alert]) -> Mapping[str, str]:
    """Return the alerts that nobody is told of while another one fires, by fingerprint, with the name of that one.

    Args:
        placements: Where the alerts belong under the routing in force.
        open_alerts: Every open alert.
    """
    if not placements.rules:
        return {}
    inhibition = placements.inhibition(open_alerts)
    sources = {alert.fingerprint: inhibition.source_of(placements.of(alert)) for alert in open_alerts}
    return {name: source.get("alertname", "another alert") for name, source in sources.items() if source is not None}
