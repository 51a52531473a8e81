"""What learners read, in a graph: inputs become the matrices, by the operations of the compiled features."""

from collections.abc import Callable, Mapping

import numpy as np

from core.interop.onnx_graph import Graph, GraphValue
from core.models.anatomy import Anatomy
from core.models.learners.derived import Among, Log, LogOfOneMore
from core.models.learners.feature_space import CLIP, FeatureSpace
from core.models.scoring.features import CompiledSpace
from core.models.scoring.fields import Field

Spelling = Callable[[str, str], str]
"""From a column and a level to the text by which a file knows the level."""


def as_it_is(column: str, level: str) -> str:
    """Return a level."""
    return level


class GraphMatrices:
    """The two matrices of a learner in a graph.

    Attributes:
        trees: The tree matrix.
        n_trees: Its columns.
        linear: The linear matrix; None where the learners read one matrix.
    """

    def __init__(self, trees: GraphValue, n_trees: int, linear: GraphValue | None = None) -> None:
        self.trees, self.n_trees, self.linear = trees, n_trees, linear


def matrices_in(
    graph: Graph,
    anatomy: Anatomy,
    inputs: Mapping[str, GraphValue],
    fields: Mapping[str, Field],
    spelled: Spelling = as_it_is,
) -> GraphMatrices:
    """Build the matrices of a model.

    Args:
        graph: The graph.
        anatomy: The model.
        inputs: The inputs by column, shape (n,) each.
        fields: The columns of a request.
        spelled: Returns how the file writes a level of a column.
    """
    if anatomy.space is not None:
        return _SpaceInGraph(graph, anatomy.space, inputs, spelled).matrices()
    blocks = []
    for name in anatomy.columns:
        value, levels = inputs[name], fields[name].categories
        if fields[name].kind == "category":
            codes = {spelled(name, level): float(code) for code, level in enumerate(levels)} or {"": np.nan}
            value = graph.looked_up(value, codes, np.nan)
        blocks.append(graph.column(value))
    return GraphMatrices(graph.beside(blocks), len(blocks))


class _SpaceInGraph:
    """A feature space, step by step as `CompiledSpace` computes it."""

    def __init__(self, graph: Graph, space: FeatureSpace, inputs: Mapping[str, GraphValue], spelled: Spelling) -> None:
        self._graph, self._space, self._inputs, self._spelled = graph, space, inputs, spelled
        self._compiled = CompiledSpace(space)

    def matrices(self) -> GraphMatrices:
        """Build both matrices."""
        values = self._values()
        n_trees = len(self._compiled.tree_from) + len(self._compiled.tree_codes)
        return GraphMatrices(self._trees(values), n_trees, self._linear(values))

    def _values(self) -> GraphValue:
        graph, compiled, inputs = self._graph, self._compiled, self._inputs
        derived = [how for name in self._space.design.columns if (how := self._space.design.derived.get(name))]
        blocks = [graph.column(inputs[name]) for name in compiled.numbers]
        blocks += [
            graph.op("Log", graph.at_least(graph.column(inputs[how.column]), how.floor))
            for how in derived
            if isinstance(how, Log)
        ]
        blocks += [
            graph.op("Log", graph.op("Add", graph.at_least(graph.column(inputs[how.column]), 0.0), 1.0))
            for how in derived
            if isinstance(how, LogOfOneMore)
        ]
        if len(compiled.limit_from):
            numbers = graph.columns(graph.beside(blocks), compiled.limit_from)
            blocks.append(graph.as_double(graph.op("GreaterOrEqual", numbers, compiled.limit[None])))
        blocks += [self._flag(how) for how in derived if isinstance(how, Among)]
        return graph.beside(blocks)

    def _flag(self, how: Among) -> GraphValue:
        graph, inputs = self._graph, self._inputs
        holds = [
            graph.column(
                graph.looked_up(
                    inputs[column],
                    dict.fromkeys((self._spelled(column, level) for level in sorted(levels)), good),
                    1.0 - good,
                )
            )
            for parts, good in ((how.within, 1.0), (how.outside, 0.0))
            for column, levels in parts.items()
        ]
        whole = holds[0]
        for part in holds[1:]:
            whole = graph.op("Mul", whole, part)
        return whole

    def _linear(self, values: GraphValue) -> GraphValue | None:
        graph, compiled = self._graph, self._compiled
        if not compiled.n_linear:
            return None
        base = [graph.repeated(np.ones(1), values)]
        if len(compiled.curve_from):
            read = graph.columns(values, compiled.curve_from)
            if len(compiled.within):
                slope = np.zeros(len(compiled.curve_from))
                slope[compiled.within] = compiled.slope
                source = compiled.curve_from.copy()
                source[compiled.within] = compiled.within_from
                removed = graph.op("Mul", graph.columns(values, source), slope[None])
                # Only where something is removed: zero times a missing cell is missing.
                is_within = np.isin(np.arange(len(slope)), compiled.within)[None]
                read = graph.op("Where", is_within, graph.op("Sub", read, removed), read)
            scaled = graph.op("Div", graph.op("Sub", read, compiled.centre[None]), compiled.scale[None])
            scaled = graph.at_most(graph.at_least(scaled, -CLIP), CLIP)
            absent = graph.op("IsNaN", scaled)
            scaled = graph.op("Where", absent, 0.0, scaled)
            base.append(scaled)
            if len(compiled.bend_of):
                bent = graph.op("Sub", graph.columns(scaled, compiled.bend_of), compiled.knot[None])
                base.append(graph.at_least(bent, 0.0))
            if len(compiled.nullable):
                base.append(graph.columns(graph.as_double(absent), compiled.nullable))
        for position, codes in compiled.one_hot:
            name = compiled.categories[position]
            levels = {self._spelled(name, str(level)): float(k) for k, level in enumerate(codes)}
            if levels:
                code = graph.column(graph.looked_up(self._inputs[name], levels, -1.0))
                base.append(graph.as_double(graph.op("Equal", code, np.arange(float(len(levels)))[None])))
        whole = graph.beside(base)
        product = graph.op("Mul", graph.columns(whole, compiled.left), graph.columns(whole, compiled.right))
        return graph.rounded(product)

    def _trees(self, values: GraphValue) -> GraphValue:
        graph, compiled = self._graph, self._compiled
        blocks = [graph.columns(values, compiled.tree_from)] if len(compiled.tree_from) else []
        for position, codes in compiled.tree_codes:
            name = compiled.categories[position]
            levels = {self._spelled(name, str(level)): code for level, code in codes.items()} or {"": -1.0}
            text = self._inputs[name]
            blocks.append(graph.column(graph.looked_up(text, levels, -1.0)))
        return graph.rounded(graph.beside(blocks))
