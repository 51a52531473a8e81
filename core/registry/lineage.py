"""Where a version comes from, as a graph: data sets, runs, sessions, and parent versions."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from core.registry.documents import ModelVersion, PrunedVersion
from core.registry.numbering import SemanticVersion
from core.registry.stages import Stage

NodeKind = Literal["data", "session", "run", "version"]
EdgeKind = Literal["trained on", "part of", "trained by", "made from", "replaces", "follows"]

_SHOWN_HASH = 12


class LineageNode(msgspec.Struct, frozen=True, kw_only=True):
    """A version, or something it comes from."""

    key: str  # "version:spread/1.4.0", "run:r-0001", "session:s-0001", "data:ab12cd34ef56"
    kind: NodeKind
    label: str
    stage: Stage | None = None  # None unless it is a registered version
    created_at: datetime | None = None  # of a version
    detail: str = ""


class LineageEdge(msgspec.Struct, frozen=True, kw_only=True):
    """An edge from a source to its result."""

    source: str
    target: str
    kind: EdgeKind


class LineageGraph(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes and edges, causes before effects."""

    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]

    def node(self, key: str) -> LineageNode | None:
        """Return the node of a key, if there is one."""
        return next((node for node in self.nodes if node.key == key), None)

    def sources(self, key: str) -> tuple[str, ...]:
        """Return the direct sources of a node."""
        return tuple(edge.source for edge in self.edges if edge.target == key)

    def targets(self, key: str) -> tuple[str, ...]:
        """Return the direct results of a node."""
        return tuple(edge.target for edge in self.edges if edge.source == key)

    def around(self, *keys: str) -> "LineageGraph":
        """Return the part of the graph above and below some nodes, including the nodes."""
        back, forth = self._neighbours("target", "source"), self._neighbours("source", "target")
        kept = _reached(keys, back) | _reached(keys, forth)
        return LineageGraph(
            nodes=tuple(node for node in self.nodes if node.key in kept),
            edges=tuple(edge for edge in self.edges if {edge.source, edge.target} <= kept),
        )

    def _neighbours(self, side: str, other: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for edge in self.edges:
            found.setdefault(getattr(edge, side), []).append(getattr(edge, other))
        return found


def version_node_key(version_key: str) -> str:
    """Return the key of a version's node."""
    return f"version:{version_key}"


def lineage_of(
    model: str, versions: Sequence[ModelVersion], pruned: Sequence[PrunedVersion], *, version: str | None = None
) -> LineageGraph:
    """Return the sources and the results of a model's versions.

    Args:
        model: The model.
        versions: The versions of every model.
        pruned: The pruned versions of every model.
        version: Only the sources and results of this version.
    """
    whole = lineage_graph(versions, pruned)
    keys = [each.key for each in versions if each.model == model and version in (None, each.version)]
    return whole.around(*map(version_node_key, keys))


def lineage_graph(versions: Sequence[ModelVersion], pruned: Sequence[PrunedVersion] = ()) -> LineageGraph:
    """Build the graph of versions and all their sources.

    Args:
        versions: The registered versions. A parent that is not among them is included anyway.
        pruned: The pruned versions.
    """
    nodes: dict[str, LineageNode] = {}
    edges: dict[tuple[str, str], LineageEdge] = {}

    def link(source: LineageNode, target: str, kind: EdgeKind) -> None:
        nodes.setdefault(source.key, source)
        edges.setdefault((source.key, target), LineageEdge(source=source.key, target=target, kind=kind))

    known = {gone.key: _pruned_node(gone) for gone in pruned} | {there.key: _version_node(there) for there in versions}
    every: list[ModelVersion | PrunedVersion] = [*pruned, *versions]
    before: LineageNode | None = None
    for version in sorted(every, key=_by_number):
        here = known[version.key]
        parents: tuple[str, ...] = ()
        replaces = ""
        if isinstance(version, ModelVersion):
            _link_makers(version, here, link)
            parents, replaces = parents_of(version), version.replaces
        for parent in parents:
            link(known.get(parent) or _unknown(parent), here.key, "made from")
        if replaces and not parents:
            link(known.get(replaces) or _unknown(replaces), here.key, "replaces")
        elif not parents and before is not None and before.key.startswith(version_node_key(f"{version.model}/")):
            link(before, here.key, "follows")
        nodes.setdefault(here.key, here)
        before = here
    return LineageGraph(nodes=_in_order(nodes, edges.values()), edges=tuple(edges.values()))


def _link_makers(version: ModelVersion, here: LineageNode, link: Callable[[LineageNode, str, EdgeKind], None]) -> None:
    maker = here.key
    if version.run_id:
        run = LineageNode(key=f"run:{version.run_id}", kind="run", label=version.run_id)
        maker = run.key
        if version.session_id:
            session = LineageNode(key=f"session:{version.session_id}", kind="session", label=version.session_id)
            link(session, run.key, "part of")
        link(run, here.key, "trained by")
    for data in data_nodes(version.lineage.get("data")):
        link(data, maker, "trained on")


def parents_of(version: ModelVersion) -> tuple[str, ...]:
    """Return the keys of a version's parents: `parent` or `parents` of its lineage."""
    named = version.lineage.get("parents", version.lineage.get("parent", ()))
    words = [named] if isinstance(named, str) else named if isinstance(named, list | tuple) else []
    return tuple(word if "/" in word else f"{version.model}/{word}" for word in words if isinstance(word, str) and word)


def _version_node(version: ModelVersion) -> LineageNode:
    return LineageNode(
        key=version_node_key(version.key),
        kind="version",
        label=f"{version.model} {version.version}",
        stage=version.stage,
        created_at=version.created_at,
        detail=version.description,
    )


def _pruned_node(version: PrunedVersion) -> LineageNode:
    return LineageNode(
        key=version_node_key(version.key),
        kind="version",
        label=f"{version.model} {version.version}",
        created_at=version.created_at,
        detail=f"pruned {version.pruned_at:%Y-%m-%d} by {version.pruned_by}",
    )


def _unknown(key: str) -> LineageNode:
    label = key.replace("/", " ")
    return LineageNode(key=version_node_key(key), kind="version", label=label, detail="no longer registered")


def _by_number(version: ModelVersion | PrunedVersion) -> tuple[str, SemanticVersion]:
    return version.model, SemanticVersion.parse(version.version)


def data_nodes(data: Any) -> list[LineageNode]:
    """Return the data sets that a lineage names under `data`: hashes by purpose."""
    if not isinstance(data, Mapping):
        return []
    found = []
    for purpose, entry in data.items():
        sha256 = entry.get("sha256") if isinstance(entry, Mapping) else entry
        if isinstance(sha256, str) and sha256:
            short = sha256[:_SHOWN_HASH]
            found.append(LineageNode(key=f"data:{short}", kind="data", label=f"{purpose} {short}", detail=sha256))
    return found


def _reached(starts: Iterable[str], neighbours: Mapping[str, Sequence[str]]) -> set[str]:
    reached = set(starts)
    pending = list(reached)
    while pending:
        fresh = set(neighbours.get(pending.pop(), ())) - reached
        reached |= fresh
        pending.extend(fresh)
    return reached


def _in_order(nodes: Mapping[str, LineageNode], edges: Iterable[LineageEdge]) -> tuple[LineageNode, ...]:
    """Put causes before effects, otherwise in the given order; nodes in a cycle come last."""
    targets: dict[str, list[str]] = {}
    waiting = dict.fromkeys(nodes, 0)
    for edge in edges:
        targets.setdefault(edge.source, []).append(edge.target)
        waiting[edge.target] += 1
    ready = deque(key for key, n in waiting.items() if n == 0)
    ordered = []
    while ready:
        key = ready.popleft()
        ordered.append(key)
        for target in targets.get(key, ()):
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    placed = set(ordered)
    return tuple(nodes[key] for key in (*ordered, *(key for key in nodes if key not in placed)))
