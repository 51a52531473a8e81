"""Which version answers a request while a rollout is under way: the one seam between serving and `core.rollout`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from core.rollout.routing import Router, RoutingTable, routing_tables
from core.state import Workspace
from core.telemetry.predictions import Arm

if TYPE_CHECKING:
    from core.serving.table import LoadedVersion


class Assignment(NamedTuple):
    """Where one request goes."""

    version: "LoadedVersion"
    rollout_id: str | None = None
    arm: Arm = Arm.STABLE
    share: float = 0.0
    unit: int | None = None
    shadow: "LoadedVersion | None" = None  # sees a copy, and answers nobody
    fallback: "LoadedVersion | None" = None  # answers when `version` fails


class Routing:
    """The routing of one model during one rollout, over versions that are loaded."""

    def __init__(self, table: RoutingTable, loaded: "Mapping[str, LoadedVersion]") -> None:
        self._router = Router({table.model: table})
        self._model = table.model
        self._loaded = loaded
        self._stable = loaded[table.stable]

    def assign(self, key: str | None, request_id: str) -> Assignment:
        """Decide where a request goes.

        Args:
            key: What the caller wants the decision to stick to; None routes each request by itself.
            request_id: The request's own id.
        """
        route = self._router.route(self._model, key or request_id)
        version = self._loaded[route.version]
        return Assignment(
            version,
            route.rollout_id,
            route.arm,
            route.share,
            route.unit if key else None,
            self._loaded[route.mirror] if route.mirror else None,
            self._stable if version is not self._stable else None,
        )


class Routings:
    """The rollouts of a workspace, as far as serving must know of them; read anew when the registry changes."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._tables: Mapping[str, RoutingTable] = {}

    def read(self) -> None:
        """Look at the rollouts again."""
        self._tables = routing_tables(self._workspace)

    def versions(self, model: str) -> tuple[str, ...]:
        """Name the versions that the model's rollout needs loaded."""
        table = self._tables.get(model)
        return table.versions if table else ()

    def labels(self, model: str) -> dict[str, str]:
        """Name the labels that exist while a rollout is under way."""
        table = self._tables.get(model)
        if table is None or table.candidate is None:
            return {}
        return {Arm.STABLE.value: table.stable, Arm.CANDIDATE.value: table.candidate}

    def routing(self, model: str, loaded: "Mapping[str, LoadedVersion]") -> Routing | None:
        """Return the routing of a model, if a rollout is active and its stable version is loaded.

        A candidate that is not loaded yet gets no traffic, and its share is recorded as none.
        """
        table = self._tables.get(model)
        if table is None or table.candidate is None or table.stable not in loaded:
            return None
        if table.candidate not in loaded:
            table = msgspec.structs.replace(table, share=0.0, mirror_share=0.0)
        return Routing(table, loaded)
