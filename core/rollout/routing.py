"""Which version answers which request: by a hash of its key, the same in every process and after every restart."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from core.rollout.errors import NotRoutedError
from core.rollout.slices import Slice
from core.rollout.strategies import Strategy
from core.telemetry.predictions import Arm

if TYPE_CHECKING:
    from core.state import Workspace

_SPAN = 1 << 64
_SIGNED = 1 << 63


class RoutingTable(msgspec.Struct, frozen=True, kw_only=True):
    """Where one model's requests go."""

    model: str
    stable: str
    candidate: str | None = None
    share: float = 0.0  # of requests that the candidate answers
    mirror_share: float = 0.0  # share of requests copied to the version that does not answer them
    rollout_id: str | None = None
    slices: tuple[Slice, ...] = ()  # the columns whose levels are recorded with each prediction

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions to keep loaded: the stable version, and the candidate until its rollout ends."""
        return (self.stable,) if self.candidate is None else (self.stable, self.candidate)


class Route(NamedTuple):
    """The route of one request: who answers, and what to record with the prediction."""

    version: str
    arm: Arm
    share: float  # the candidate's share when this was decided
    rollout_id: str | None
    unit: int  # the caller's number in this rollout: record it if the caller chose the key
    mirror: str | None  # send a copy of the request to this version, and its answer to nobody


class Router:
    """Routes requests. Any number of threads may route while another replaces the tables.

    A key keeps its place on a line from 0 to 1 for as long as a rollout lasts, and the candidate has the part up to
    its share: growing the share moves keys from stable to candidate, and none the other way. Another rollout orders
    the keys differently, so that no caller is always the first to meet a candidate.
    """

    def __init__(self, tables: Mapping[str, RoutingTable] | None = None) -> None:
        self._tables: Mapping[str, _Compiled] = {}
        self.update(tables or {})

    def update(self, tables: Mapping[str, RoutingTable]) -> None:
        """Replace the tables in one step; requests in progress are not disturbed."""
        self._tables = {model: _Compiled(table) for model, table in tables.items()}

    @property
    def tables(self) -> dict[str, RoutingTable]:
        """The tables in force, by model."""
        return {model: compiled.table for model, compiled in self._tables.items()}

    def route(self, model: str, key: str) -> Route:
        """Say which version answers.

        Args:
            model: The model asked.
            key: What the decision sticks to: a caller's id, or else the request's own.
        Raises:
            NotRoutedError: No version of this model is in Production.
        """
        compiled = self._tables.get(model)
        if compiled is None:
            raise NotRoutedError(model, list(self._tables))
        return compiled.route(key)


def routing_tables(workspace: "Workspace") -> dict[str, RoutingTable]:
    """Return where requests go now, by model: to the version in Production, and to the candidate of a rollout."""
    from core.registry import Registry
    from core.rollout.rollouts import Rollouts

    rollouts = {rollout.model: rollout for rollout in Rollouts(workspace).in_brief() if rollout.is_active}
    tables = {}
    for model in Registry(workspace).models():
        if model.production is None:
            continue
        rollout = rollouts.get(model.model)
        # Replacing the stable version ends its rollout; until the engine ends it, the candidate gets no requests.
        if rollout is None or rollout.stable != model.production:
            tables[model.model] = RoutingTable(model=model.model, stable=model.production)
            continue
        tables[model.model] = RoutingTable(
            model=model.model,
            stable=rollout.stable,
            candidate=rollout.candidate,
            share=0.0 if rollout.strategy is Strategy.SHADOW else rollout.share,
            mirror_share=rollout.mirror_share,
            rollout_id=rollout.rollout_id,
            slices=rollout.plan.slices,
        )
    return tables


class _Compiled:
    """A routing table with precomputed answers."""

    __slots__ = ("_candidate_below", "_mirror_below", "_salted", "table")

    def __init__(self, table: RoutingTable) -> None:
        self.table = table
        self._salted = hashlib.blake2b(f"{table.rollout_id or table.model}\0".encode(), digest_size=8)
        self._candidate_below = int(table.share * _SPAN) if table.candidate else 0
        self._mirror_below = int(table.mirror_share * _SPAN) if table.candidate else 0

    def route(self, key: str) -> Route:
        salted = self._salted.copy()
        salted.update(key.encode(errors="surrogatepass"))  # JSON allows halves of characters
        place = int.from_bytes(salted.digest(), "big")
        table = self.table
        is_copied = place < self._mirror_below
        if place < self._candidate_below and table.candidate is not None:
            mirror = table.stable if is_copied else None
            return Route(table.candidate, Arm.CANDIDATE, table.share, table.rollout_id, place - _SIGNED, mirror)
        mirror = table.candidate if is_copied else None
        return Route(table.stable, Arm.STABLE, table.share, table.rollout_id, place - _SIGNED, mirror)
