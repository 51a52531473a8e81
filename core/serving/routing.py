"""Routes requests between versions during a rollout: the only link between serving and `core.rollout`."""

from collections.abc import Mapping

import msgspec

from core.rollout.routing import RoutingTable, routing_tables
from core.serving.table import LoadedVersion, Routing
from core.state import Workspace
from core.telemetry.predictions import Arm


class Routings:
    """The rollouts of a workspace, as far as serving needs them; read again when the registry changes."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._tables: Mapping[str, RoutingTable] = {}

    def read(self) -> None:
        """Read the rollouts again."""
        self._tables = routing_tables(self._workspace)

    def versions(self, model: str) -> tuple[str, ...]:
        """Return the versions that the model's rollout needs loaded."""
        table = self._tables.get(model)
        return table.versions if table else ()

    def labels(self, model: str) -> dict[str, str]:
        """Return the labels that exist only during a rollout."""
        table = self._tables.get(model)
        if table is None or table.candidate is None:
            return {}
        return {Arm.STABLE.value: table.stable, Arm.CANDIDATE.value: table.candidate}

    def routing(self, model: str, loaded: Mapping[str, LoadedVersion]) -> Routing | None:
        """Return the routing of a model, if a rollout is active and its stable version is loaded.

        A candidate that is not loaded yet gets no traffic, and its share is recorded as 0.
        """
        table = self._tables.get(model)
        if table is None or table.candidate is None or table.stable not in loaded:
            return None
        if table.candidate not in loaded:
            table = msgspec.structs.replace(table, share=0.0, mirror_share=0.0)
        return Routing(table, loaded)
