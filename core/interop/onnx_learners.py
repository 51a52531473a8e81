"""Learners in a graph: what each answers, by the operations of its own `answer` or `score`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.errors import UsageError
from core.explain.plain_trees import PlainTrees, trees_of_forest, trees_of_lightgbm, trees_of_sklearn
from core.explain.xgboost_trees import trees_of_xgboost
from core.interop.onnx_features import GraphMatrices
from core.interop.onnx_graph import Graph, GraphValue
from core.interop.onnx_trees import NEXT_TO_ZERO, sum_of_trees
from core.models.learners.blend import BlendLearner
from core.models.learners.boosting import BoostedLearner, OffsetLearner
from core.models.learners.combination import Combination, MetaLearner, Votes, WeightedMean
from core.models.learners.constant import ConstantLearner
from core.models.learners.ensembles import RandomForestLearner, SklearnLearner, XGBoostLearner
from core.models.learners.flat_forest import FlatForest
from core.models.learners.isolation_forest import IsolationForestLearner
from core.models.learners.learner import LEAST_CHANCE, ContinuingLearner
from core.models.learners.lightgbm_trees import LightGbmLearner
from core.models.learners.linear import LinearLearner
from core.models.learners.members import EnsembleLearner
from core.models.learners.number_forms import NumberDesign
from core.models.learners.reservoir import ReservoirLearner
from core.models.learners.standardised_linear import StandardisedLinearLearner
from core.models.learners.table_ensemble import TableEnsemble

_MISSING_IN_SKLEARN = -999.0  # as `SklearnLearner.cells` fills it in
_LINKED = {"binary": "Sigmoid", "cross_entropy": "Sigmoid", "poisson": "Exp", "gamma": "Exp", "tweedie": "Exp"}
_PLAIN = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "")


class NotWrittenInOnnxError(UsageError):
    """A part of a model has no form in ONNX; the message names the part."""

    def __init__(self, part: str) -> None:
        super().__init__(f"The version cannot be written as ONNX: {part}.")


class LearnersInGraph:
    """Writes learners that read the same matrices.

    Args:
        graph: The graph.
        matrices: What they read.
        splits: Receives the trees that read the tree matrix, for whoever tries rows at their splits.
    """

    def __init__(self, graph: Graph, matrices: GraphMatrices, splits: list[PlainTrees]) -> None:
        self._graph, self._matrices, self._splits = graph, matrices, splits

    def margin(self, learner: Any) -> GraphValue:
        """Return what a continuing learner answers on the scale of the link, shape (n, 1)."""
        graph = self._graph
        if isinstance(learner, LinearLearner):
            return self._weighted(learner.coefficients[1:], float(learner.coefficients[0]))
        if isinstance(learner, OffsetLearner):
            below = self.margin(learner.linear)
            if learner.booster is None:
                return below
            return graph.op("Add", below, self._boosted([trees_of_lightgbm(learner.booster)]))
        if isinstance(learner, BoostedLearner):
            if learner.booster is None:
                return graph.repeated(np.array([learner.base]), self._matrices.trees)
            return graph.op("Add", self._boosted([trees_of_lightgbm(learner.booster)]), learner.base)
        if isinstance(learner, ReservoirLearner):
            return self._margin_of(self.answer(learner.fitted), is_chance=bool(learner.fitted.n_classes))
        if isinstance(learner, EnsembleLearner):
            return self._combined([self.margin(member) for member in learner.members.values()], learner.combination)
        raise NotWrittenInOnnxError(f"{type(learner).__name__} has no form there")

    def answer(self, learner: Any) -> GraphValue:
        """Return what a learner of one matrix answers: shape (n, 1), or (n, n_classes) of probabilities."""
        graph, rows = self._graph, self._matrices.trees
        if isinstance(learner, ConstantLearner):
            return graph.repeated(learner.value, rows)
        if isinstance(learner, StandardisedLinearLearner):
            return self._standardised(learner)
        if isinstance(learner, LightGbmLearner):
            return self._lightgbm(learner)
        if isinstance(learner, XGBoostLearner):
            margin = self._trees([trees_of_xgboost(learner.booster, learner.library.DMatrix)])
            return self._two_classes(graph.op("Sigmoid", margin)) if learner.n_classes else margin
        if isinstance(learner, SklearnLearner):
            return self._sklearn(learner)
        if isinstance(learner, IsolationForestLearner):
            return self._isolated(learner)
        if isinstance(learner, BlendLearner):
            parts = zip(learner.parts.values(), learner.weights, strict=True)
            weighted = [graph.op("Mul", self.answer(part), weight) for part, weight in parts if weight]
            return self._sum(weighted)
        if isinstance(learner, TableEnsemble):
            is_chance = learner.task != "regression"
            margins = [self._margin_of(self.answer(each), is_chance=is_chance) for each in learner.members.values()]
            margin = self._combined(margins, learner.combination)
            return self._two_classes(graph.op("Sigmoid", margin)) if is_chance else margin
        raise NotWrittenInOnnxError(f"{type(learner).__name__} has no form there")

    def _boosted(self, ensembles: Sequence[PlainTrees]) -> GraphValue:
        """Add LightGBM's trees, which read a number next to zero as zero."""
        graph, rows = self._graph, self._matrices.trees
        is_zero = graph.op("LessOrEqual", graph.op("Abs", rows), NEXT_TO_ZERO)
        return self._trees(ensembles, graph.op("Where", is_zero, 0.0, rows))

    def _trees(self, ensembles: Sequence[PlainTrees], matrix: GraphValue | None = None) -> GraphValue:
        self._splits += ensembles
        rows = self._matrices.trees if matrix is None else matrix
        return sum_of_trees(self._graph, rows, ensembles, n_columns=self._matrices.n_trees)

    def _weighted(self, coefficients: Any, constant: float) -> GraphValue:
        graph, linear = self._graph, self._matrices.linear
        if linear is None:
            return graph.repeated(np.array([constant]), self._matrices.trees)
        product = graph.op("MatMul", linear, np.asarray(coefficients, dtype=np.float64).reshape(-1, 1))
        return graph.op("Add", product, constant)

    def _standardised(self, learner: StandardisedLinearLearner) -> GraphValue:
        graph = self._graph
        design = self._design(learner.design)
        if design is None:
            score = graph.repeated(learner.intercept, self._matrices.trees)
        else:
            product = graph.op("MatMul", design, np.asarray(learner.weights, dtype=np.float64))
            score = graph.op("Add", product, np.asarray(learner.intercept, dtype=np.float64)[None])
        return graph.op("Softmax", score, axis=1) if learner.n_classes else score

    def _design(self, design: NumberDesign) -> GraphValue | None:
        graph, rows = self._graph, self._matrices.trees
        blocks = []
        if design.numbers:
            numbers = graph.columns(rows, np.array(design.numbers))
            is_empty = graph.op("IsNaN", numbers)
            scaled = graph.op("Div", graph.op("Sub", numbers, design.centre[None]), design.scale[None])
            scaled = graph.at_least(scaled, design.limits[:, 0][None])
            scaled = graph.at_most(scaled, design.limits[:, 1][None])
            blocks.append(graph.op("Where", is_empty, 0.0, self._read(design, scaled)))
            if design.form == "hinges":
                for knot in design.knots.T:
                    bent = graph.at_least(graph.op("Sub", scaled, knot[None]), 0.0)
                    blocks.append(graph.op("Where", is_empty, 0.0, bent))
            if design.gaps.any():
                blocks.append(graph.columns(graph.as_double(is_empty), np.flatnonzero(design.gaps)))
        if len(design.shown):
            codes = graph.columns(rows, design.shown[:, 0])
            is_level = graph.op("Equal", codes, design.shown[:, 1].astype(np.float64)[None])
            blocks.append(graph.as_double(is_level))
        return graph.beside(blocks) if blocks else None

    def _read(self, design: NumberDesign, scaled: GraphValue) -> GraphValue:
        graph = self._graph
        if design.form == "asinh":
            # The operator Asinh reads single precision. By the size of the number, since the sum of a negative cancels.
            size = graph.op("Abs", scaled)
            root = graph.op("Sqrt", graph.op("Add", graph.op("Mul", size, size), 1.0))
            return graph.op("Mul", graph.op("Sign", scaled), graph.op("Log", graph.op("Add", size, root)))
        if design.form != "scores":
            return scaled
        columns = []
        for position, (places, values) in enumerate(design.curves):
            column = graph.columns(scaled, np.array([position]))
            if len(places) == 1:
                columns.append(graph.op("Where", graph.op("IsNaN", column), np.nan, float(values[0])))
                continue
            steps = graph.op("Sub", column, places[:-1][None])
            steps = graph.at_most(graph.at_least(steps, 0.0), np.diff(places)[None])
            rise = graph.op("MatMul", steps, (np.diff(values) / np.diff(places))[:, None])
            columns.append(graph.op("Add", rise, float(values[0])))
        return graph.beside(columns)

    def _lightgbm(self, learner: LightGbmLearner) -> GraphValue:
        graph, booster = self._graph, learner.booster
        n_scores = int(booster.num_model_per_iteration())
        score = self._boosted([trees_of_lightgbm(booster, output=output) for output in range(n_scores)])
        header = booster.model_to_string(num_iteration=1).partition("Tree=0")[0]
        told = next((line for line in header.splitlines() if line.startswith("objective=")), "objective=")
        name, *options = told.removeprefix("objective=").split() or [""]
        if "average_output" in header.splitlines():
            score = graph.op("Div", score, float(booster.current_iteration()))
        if n_scores > 1:
            if name != "multiclass":
                raise NotWrittenInOnnxError(f"the objective {name} of its LightGBM trees with several classes")
            return graph.op("Softmax", score, axis=1)
        if name not in (*_LINKED, *_PLAIN) or "sqrt" in options:
            raise NotWrittenInOnnxError(f"the objective {' '.join((name, *options))} of its LightGBM trees")
        steepness = next((float(text.partition(":")[2]) for text in options if text.startswith("sigmoid:")), 1.0)
        if steepness != 1.0:
            score = graph.op("Mul", score, steepness)
        answer = graph.op(_LINKED[name], score) if name in _LINKED else score
        return self._two_classes(answer) if learner.n_classes == 2 else answer

    def _sklearn(self, learner: SklearnLearner) -> GraphValue:
        graph, n_classes = self._graph, learner.n_classes
        if n_classes and len(learner.estimator.classes_) != n_classes:
            raise NotWrittenInOnnxError(f"the training rows of its {learner.name} lacked a class")
        filled = None
        if not learner.reads_missing:
            filled = graph.where_missing(self._matrices.trees, _MISSING_IN_SKLEARN)
        if isinstance(learner, RandomForestLearner):
            outputs = range(n_classes) if n_classes > 2 else range(max(n_classes - 1, 0), max(n_classes, 1))
            answer = self._trees([trees_of_sklearn(learner.estimator, output=output) for output in outputs], filled)
            return self._two_classes(answer) if n_classes == 2 else answer
        outputs = range(n_classes if n_classes > 2 else 1)
        score = self._trees([trees_of_sklearn(learner.estimator, output=output) for output in outputs], filled)
        if not n_classes:
            return score
        if n_classes > 2:
            return graph.op("Softmax", score, axis=1)
        return self._two_classes(graph.op("Sigmoid", score))

    def _isolated(self, learner: IsolationForestLearner) -> GraphValue:
        graph, rows = self._graph, self._matrices.trees
        columns, rarity = [], iter(learner.rarity)
        for position, n_levels in enumerate(learner.columns.n_levels):
            column = graph.columns(rows, np.array([position]))
            if n_levels:
                code = graph.op("Cast", graph.where_missing(column, float(n_levels)), to=7)
                place = graph.op("Squeeze", code, np.array([1]))
                columns.append(graph.op("Gather", next(rarity)[:, None], place, axis=0))
            else:
                columns.append(graph.where_missing(column, float(learner.centre[position])))
        forest = trees_of_forest(FlatForest.of(learner.estimator, n_features=len(columns)))
        single = PlainTrees(forest.trees, forest.constant, is_single=True)  # scikit-learn reads rows so
        return graph.op("Exp", graph.op("Mul", self._trees([single], graph.beside(columns)), float(np.log(2.0))))

    def _combined(self, margins: list[GraphValue], combination: Combination) -> GraphValue:
        """Combine margins as the combination does, shape (n, 1)."""
        graph = self._graph
        is_chance = combination.task != "regression"
        if isinstance(combination, MetaLearner) and combination.learner is not None:
            return self._by_learner(margins, combination.learner)
        if isinstance(combination, Votes) and combination.is_hard:
            together, n = graph.beside(margins), len(margins)
            if is_chance:
                votes = graph.as_double(graph.op("Greater", together, 0.0))
                n_for = graph.op("Add", graph.op("ReduceSum", votes, np.array([1]), keepdims=1), 0.5)
                return graph.op("Log", graph.op("Div", n_for, graph.op("Sub", n + 1.0, n_for)))
            return self._median(together, n)
        if not isinstance(combination, MetaLearner | Votes | WeightedMean):
            raise NotWrittenInOnnxError(f"the combination {type(combination).__name__} of its ensemble")
        weights = combination.weights
        assert weights is not None
        values = [graph.op("Sigmoid", _clipped(graph, each)) if is_chance else each for each in margins]
        pairs = zip(values, weights.tolist(), strict=True)
        mean = self._sum([graph.op("Mul", value, weight) for value, weight in pairs])
        return self._log_odds(mean) if is_chance else mean

    def _by_learner(self, margins: list[GraphValue], learner: ContinuingLearner) -> GraphValue:
        """Let a meta-learner read the margins, in single precision as it does."""
        graph = self._graph
        together = graph.beside(margins)
        mean = graph.op("ReduceMean", together, np.array([1]), keepdims=1)
        apart = graph.beside([mean, graph.op("Sub", together, mean)])
        matrices = GraphMatrices(graph.rounded(together), len(margins), graph.rounded(apart))
        return LearnersInGraph(graph, matrices, []).margin(learner)

    def _median(self, together: GraphValue, n: int) -> GraphValue:
        # In ascending order: the middle one, or the mean of the middle two.
        graph = self._graph
        ordered = graph.sorted(together, n)
        middle = graph.columns(ordered, np.array(sorted({(n - 1) // 2, n // 2})))
        return graph.op("ReduceMean", middle, np.array([1]), keepdims=1)

    def _margin_of(self, answer: GraphValue, *, is_chance: bool) -> GraphValue:
        if not is_chance:
            return answer
        return self._log_odds(self._graph.columns(answer, np.array([1])))

    def _log_odds(self, chance: GraphValue) -> GraphValue:
        graph = self._graph
        clipped = graph.at_most(graph.at_least(chance, LEAST_CHANCE), 1.0 - LEAST_CHANCE)
        return graph.op("Log", graph.op("Div", clipped, graph.op("Sub", 1.0, clipped)))

    def _two_classes(self, chance: GraphValue) -> GraphValue:
        return self._graph.beside([self._graph.op("Sub", 1.0, chance), chance])

    def _sum(self, values: list[GraphValue]) -> GraphValue:
        total = values[0]
        for value in values[1:]:
            total = self._graph.op("Add", total, value)
        return total


def _clipped(graph: Graph, margin: GraphValue) -> GraphValue:
    """Limit a margin as `Combination` does before it takes a probability of it."""
    return graph.at_most(graph.at_least(margin, -30.0), 30.0)
