"""The versions of a lineage as a list to read: each with what changed since its parent, and its row of the graph."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from core.registry import graph_layout
from core.registry.aliases import MARK, Alias
from core.registry.documents import ModelVersion
from core.registry.gates import ACCURACIES
from core.registry.graph_layout import Fold, GraphParent, GraphRow
from core.registry.lineage import LineageGraph, LineageNode, data_nodes, version_node_key
from core.registry.stages import Stage
from core.registry.version_bump import changes_between, changes_named

FIRST = "first"
_VERSION = version_node_key("")
_LOOSE = "follows"
_METRICS = (*ACCURACIES, "auc", "average_precision", "mae", "rmse", "loss")  # the first of these tells most


class Ancestor(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a lineage, whether it is still registered or not."""

    key: str  # "spread/1.4.0"
    model: str
    version: str
    stage: Stage | None  # None once it is removed
    aliases: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()  # schema, data, parameters, refit or first; empty if unknown
    created_at: datetime | None = None
    metric: tuple[str, float] | None = None
    data: tuple[str, ...] = ()  # purpose and hash
    run_id: str = ""
    detail: str = ""
    sources: tuple[GraphParent, ...] = ()
    targets: tuple[str, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether it serves."""
        return self.stage is Stage.PRODUCTION

    @property
    def is_landmark(self) -> bool:
        """Whether a reader looks for it: it is in Production or Staging, or has an alias."""
        return self.stage in (Stage.PRODUCTION, Stage.STAGING) or bool(self.aliases)


@dataclass(frozen=True, slots=True)
class Ancestry:
    """Versions above what they came from, with the lines between them."""

    by_key: Mapping[str, Ancestor]
    graph: Sequence[GraphRow]

    def rows(
        self, near: Collection[str] = (), *, reach: int = 0, unfolded: Collection[str] = (), whole: bool = False
    ) -> list[GraphRow | Fold]:
        """Return the rows to show; each run of ordinary versions is folded into one row.

        Args:
            near: The versions the reader is looking at; by default the newest version.
            reach: How many rows around them are not folded.
            unfolded: Versions that are never folded.
            whole: Fold nothing.
        """
        if whole:
            return list(self.graph)
        kept = {key for key, ancestor in self.by_key.items() if ancestor.is_landmark} | set(unfolded)
        centres = [index for index, graph_row in enumerate(self.graph) if graph_row.key in near] or [0]
        for centre in centres:
            kept.update(graph_row.key for graph_row in self.graph[max(0, centre - reach) : centre + reach + 1])
        return graph_layout.fold(self.graph, kept)


def ancestry(graph: LineageGraph, versions: Iterable[ModelVersion], aliases: Iterable[Alias]) -> Ancestry:
    """Lay out the versions of a lineage.

    Args:
        graph: The lineage.
        versions: At least those of the graph that are registered.
        aliases: The names people gave to versions.
    """
    nodes = {node.key.removeprefix(_VERSION): node for node in graph.nodes if node.kind == "version"}
    registered = {version.key: version for version in versions}
    sources: dict[str, list[GraphParent]] = {}
    targets: dict[str, list[str]] = {}
    for edge in graph.edges:
        if edge.source.startswith(_VERSION) and edge.target.startswith(_VERSION):
            source, target = edge.source.removeprefix(_VERSION), edge.target.removeprefix(_VERSION)
            sources.setdefault(target, []).append(GraphParent(source, edge.kind == _LOOSE))
            targets.setdefault(source, []).append(target)
    names: dict[str, list[str]] = {}
    for alias in aliases:
        names.setdefault(f"{alias.model}/{alias.version}", []).append(f"{MARK}{alias.alias}")

    # By age; versions of the same age keep their order, which is by number.
    dated = sorted((node.created_at, index, key) for index, (key, node) in enumerate(nodes.items()) if node.created_at)
    ranks: dict[str, int | None] = dict.fromkeys(nodes, None)
    ranks.update({key: rank for rank, (_, _, key) in enumerate(dated)})
    by_key = {
        key: _ancestor(
            node,
            registered.get(key),
            aliases=tuple(names.get(key, ())),
            sources=tuple(sources.get(key, ())),
            targets=tuple(targets.get(key, ())),
            registered=registered,
        )
        for key, node in nodes.items()
    }
    return Ancestry(by_key, graph_layout.draw(graph_layout.in_order(ranks, sources), sources))


def main_metric(metrics: Mapping[str, float]) -> tuple[str, float] | None:
    """Return the figure that tells most about a version, with its name.

    >>> main_metric({"loss": 0.1, "r2": 0.93})
    ('r2', 0.93)
    """
    name = next((name for name in (*_METRICS, *sorted(metrics)) if name in metrics), None)
    return None if name is None else (name, metrics[name])


def _ancestor(
    node: LineageNode,
    version: ModelVersion | None,
    *,
    aliases: tuple[str, ...],
    sources: tuple[GraphParent, ...],
    targets: tuple[str, ...],
    registered: Mapping[str, ModelVersion],
) -> Ancestor:
    key = node.key.removeprefix(_VERSION)
    model, _, number = key.partition("/")
    if version is None:
        return Ancestor(
            key=key,
            model=model,
            version=number,
            stage=None,
            created_at=node.created_at,
            detail=node.detail,
            sources=sources,
            targets=targets,
        )
    return Ancestor(
        key=key,
        model=model,
        version=number,
        stage=version.stage,
        aliases=aliases,
        changes=_changes(version, sources, registered),
        created_at=version.created_at,
        metric=main_metric(version.metrics),
        data=tuple(node.label for node in data_nodes(version.lineage.get("data"))),
        run_id=version.run_id,
        detail=version.bump,
        sources=sources,
        targets=targets,
    )


def _changes(
    version: ModelVersion, sources: Sequence[GraphParent], registered: Mapping[str, ModelVersion]
) -> tuple[str, ...]:
    """Say what changed since the first parent of a version."""
    if not sources:
        return (FIRST,)
    source = registered.get(sources[0].key)
    if source is None:
        return ()
    # What was found at registration knows the schema as well, but was measured against the newest of that day.
    if source.model == version.model and (named := changes_named(version.bump, source.version)):
        return named
    return changes_between(source.lineage, version.lineage)
