"""The receivers of a workspace as any process knows them."""

from typing import TYPE_CHECKING

from core.alerts.delivery.receivers import Receivers
from core.alerts.routing.in_force import RoutingStanding, routing_standing
from core.settings import settings_in_force

if TYPE_CHECKING:
    from core.state import Workspace


def receivers_in_force(workspace: "Workspace", standing: RoutingStanding | None = None) -> Receivers:
    """Return the receivers of a workspace: while its routing file cannot be used, those of the last good one.

    Args:
        workspace: The workspace.
        standing: Its routing, if it was read already.
    Raises:
        SettingsError: The settings cannot be read.
    """
    settings, config = settings_in_force(workspace.root).alerts, (standing or routing_standing(workspace)).config
    if config is None:
        return Receivers(workspace, settings)
    return Receivers(workspace, settings, config, routing_file=config.file, was_private=config.is_private)
