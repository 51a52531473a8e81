"""A model taken apart: which exact algorithm explains which learner, and how members add up.

A part answers on one scale, on which its contributions sum to its answer. Members of an ensemble are added where the
ensemble itself adds their scores; a mean of probabilities of boosted trees, a median or a vote has no exact algorithm,
and `NotAdditiveError` says why.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import AnyArray, FloatArray, IntArray
from core.errors import UsageError
from core.explain import leaf_games
from core.explain.leaf_interactions import background_interactions, interaction_cost, path_dependent_interactions
from core.explain.linear_terms import MOST_SOURCES, LinearTerms, linear_columns, most_sources
from core.explain.plain_trees import (
    PlainTrees,
    trees_of_forest,
    trees_of_lightgbm,
    trees_of_sklearn,
)
from core.explain.xgboost_trees import trees_of_xgboost
from core.models.anatomy import FOREST_SCALE, Anatomy, MemberAnatomy
from core.models.learners.blend import BlendLearner
from core.models.learners.boosting import BoostedLearner, OffsetLearner
from core.models.learners.combination import Combination, MetaLearner, Votes, WeightedMean
from core.models.learners.constant import ConstantLearner
from core.models.learners.ensembles import RandomForestLearner, SklearnLearner, XGBoostLearner
from core.models.learners.flat_forest import FlatForest
from core.models.learners.isolation_forest import IsolationForestLearner
from core.models.learners.learner import ContinuingLearner, FitOnceLearner
from core.models.learners.lightgbm_trees import LightGbmLearner
from core.models.learners.linear import LinearLearner
from core.models.learners.members import EnsembleLearner
from core.models.learners.reservoir import ReservoirLearner
from core.models.learners.samples import Matrices
from core.models.learners.standardised_linear import StandardisedLinearLearner
from core.models.learners.table_ensemble import TableEnsemble

PROBABILITY: Final = "probability"


class TreeReading(StrEnum):
    """What a feature that is not known stands for."""

    PATH_DEPENDENT = "path-dependent"  # the training rows that pass a tree's splits
    BACKGROUND = "background"  # the values of background rows


class NotAdditiveError(UsageError):
    """A model has no exact explanation; the message says why."""


@dataclass(frozen=True, slots=True)
class ExplainedRows:
    """Rows of a table, with what the learner reads."""

    frame: pd.DataFrame
    matrices: Matrices

    def __len__(self) -> int:
        return len(self.frame)


class ExplainedPart(ABC):
    """A part of a model that is explained exactly.

    Attributes:
        algorithm: Its name in words.
        base: The part of the answer that no row has changed: the mean over the reference.
    """

    algorithm: str
    base: float

    @abstractmethod
    def contributions(self, rows: ExplainedRows) -> FloatArray:
        """Return the contribution of each player to each row's score, shape (n, players)."""

    @abstractmethod
    def score(self, rows: ExplainedRows) -> FloatArray:
        """Return the score that the contributions and the base sum to, shape (n,)."""

    @abstractmethod
    def interactions(self, rows: ExplainedRows) -> FloatArray:
        """Return the Shapley interaction of each pair of players in each row, shape (n, players, players).

        It is symmetric, with zeros on the diagonal.
        """

    @property
    def interaction_cost(self) -> int:
        """About how many products the interactions of one row take."""
        return 0


def by_player(effects: FloatArray, players: IntArray, n_players: int) -> FloatArray:
    """Add up the effects of columns by the player that each belongs to.

    Args:
        effects: Shape (n, columns or more); columns beyond those of the players are left out.
        players: The player of each column, shape (columns,).
        n_players: How many players there are.
    Returns:
        Shape (n, players).
    """
    out = np.zeros((len(effects), n_players))
    for column, player in enumerate(players.tolist()):
        out[:, player] += effects[:, column]
    return out


class TreesPart(ExplainedPart):
    """Trees, in either reading, by our own algorithms."""

    def __init__(
        self,
        trees: PlainTrees,
        players: Sequence[int],
        n_players: int,
        *,
        background: AnyArray | None,
        library: str,
        fill: Any = None,
    ) -> None:
        """Explain trees.

        Args:
            trees: The trees.
            players: The player of each column.
            n_players: How many players there are.
            background: The matrix of the background rows; None for the path-dependent reading.
            library: The library's name.
            fill: Turns the matrix of rows into what the trees read.
        """
        self._trees, self._players, self._n_players, self._fill = trees, players, n_players, fill
        self._background = background if background is None or fill is None else fill(background)
        reading = TreeReading.PATH_DEPENDENT if background is None else TreeReading.BACKGROUND
        self.algorithm = f"TreeSHAP of {library}, {reading}"
        if self._background is None:
            self.base = leaf_games.expected_value(trees)
        else:
            self.base = float(trees.score(self._background).mean())

    @override
    def contributions(self, rows: ExplainedRows) -> FloatArray:
        matrix = self._matrix(rows)
        if self._background is None:
            return leaf_games.path_dependent(self._trees, matrix, self._players, self._n_players)
        return leaf_games.against_background(self._trees, matrix, self._background, self._players, self._n_players)

    @override
    def score(self, rows: ExplainedRows) -> FloatArray:
        return self._trees.score(self._matrix(rows))

    @override
    def interactions(self, rows: ExplainedRows) -> FloatArray:
        matrix = self._matrix(rows)
        if self._background is None:
            return path_dependent_interactions(self._trees, matrix, self._players, self._n_players)
        return background_interactions(self._trees, matrix, self._background, self._players, self._n_players)

    @property
    @override
    def interaction_cost(self) -> int:
        return interaction_cost(self._trees, self._players, 0 if self._background is None else len(self._background))

    def _matrix(self, rows: ExplainedRows) -> AnyArray:
        return rows.matrices.trees if self._fill is None else self._fill(rows.matrices.trees)


class OwnContributionsPart(ExplainedPart):
    """Boosted trees, path-dependent, by their library's own contributions."""

    def __init__(self, learner: Any, library: str, players: Sequence[int], n_players: int, *, output: int = 0) -> None:
        """Explain a booster.

        Args:
            learner: Has the `booster`, of LightGBM or XGBoost.
            library: Its name.
            players: The player of each column.
            n_players: How many players there are.
            output: Of a booster with a score per class, which.
        """
        self._booster, self._library, self._output = learner.booster, library, output
        self._columns, self._n_players = np.asarray(players, dtype=np.int64), n_players
        self._make = learner.library.DMatrix if library == "XGBoost" else None
        self.algorithm = f"TreeSHAP by {library}, {TreeReading.PATH_DEPENDENT}"
        self.base = float(self._all(np.zeros((1, len(self._columns))))[0, -1])

    @override
    def contributions(self, rows: ExplainedRows) -> FloatArray:
        return by_player(self._all(rows.matrices.trees), self._columns, self._n_players)

    @override
    def score(self, rows: ExplainedRows) -> FloatArray:
        matrix = rows.matrices.trees
        if self._make is not None:
            found = self._booster.predict(self._make(matrix, nthread=1), output_margin=True)
        else:
            found = self._booster.predict(matrix, raw_score=True, num_threads=1)
        answer = np.asarray(found, dtype=np.float64)
        return answer if answer.ndim == 1 else answer[:, self._output]

    @override
    def interactions(self, rows: ExplainedRows) -> FloatArray:
        return path_dependent_interactions(self._trees(), rows.matrices.trees, self._columns.tolist(), self._n_players)

    @property
    @override
    def interaction_cost(self) -> int:
        return interaction_cost(self._trees(), self._columns.tolist())

    def _trees(self) -> PlainTrees:
        if self._make is not None:
            return trees_of_xgboost(self._booster, self._make)
        return trees_of_lightgbm(self._booster, output=self._output)

    def _all(self, matrix: AnyArray) -> FloatArray:
        width = len(self._columns) + 1
        if self._make is not None:
            found = self._booster.predict(self._make(matrix, nthread=1), pred_contribs=True)
            return np.asarray(found, dtype=np.float64)
        found = np.asarray(self._booster.predict(matrix, pred_contrib=True, num_threads=1), dtype=np.float64)
        return found[:, self._output * width : (self._output + 1) * width]


class DesignPart(ExplainedPart):
    """A linear model on a design, in closed form."""

    algorithm = "linear terms in closed form, background"

    def __init__(
        self, learner: LinearLearner, anatomy: Anatomy, background: ExplainedRows, names: Sequence[str]
    ) -> None:
        assert anatomy.space is not None
        self._learner, self._names = learner, tuple(names)
        linear = background.matrices.linear
        self._terms = LinearTerms(anatomy.space, learner.coefficients, background.frame, linear)
        self.base = self._terms.base

    @override
    def contributions(self, rows: ExplainedRows) -> FloatArray:
        return self._terms.contributions(rows.frame, rows.matrices.linear, self._names)

    @override
    def score(self, rows: ExplainedRows) -> FloatArray:
        return self._learner.score(rows.matrices)

    @override
    def interactions(self, rows: ExplainedRows) -> FloatArray:
        return self._terms.interactions(rows.frame, rows.matrices.linear, self._names)


class ColumnsPart(ExplainedPart):
    """A linear model on standardised columns, in closed form."""

    algorithm = "linear model in closed form, background"

    def __init__(
        self,
        learner: StandardisedLinearLearner,
        background: ExplainedRows,
        players: Sequence[int],
        n_players: int,
        *,
        output: int,
    ) -> None:
        self._design, self._n_players = learner.design, n_players
        self._of_column = np.asarray(players, dtype=np.int64)[np.asarray(learner.design.sources, dtype=np.int64)]
        self._weights, self._constant = learner.weights[:, 0], float(learner.intercept[0])
        if learner.n_classes == 2:
            self._weights = learner.weights[:, 1] - learner.weights[:, 0]
            self._constant = float(learner.intercept[1] - learner.intercept[0])
        elif learner.n_classes:
            self._weights, self._constant = learner.weights[:, output], float(learner.intercept[output])
        if not np.isfinite(self._constant):
            raise NotAdditiveError("The training rows lacked a class, so the linear model's log odds are infinite.")
        self._mean = self._design.matrix(background.matrices.trees).mean(axis=0)
        self.base = float(self._mean @ self._weights) + self._constant

    @override
    def contributions(self, rows: ExplainedRows) -> FloatArray:
        effects = (self._design.matrix(rows.matrices.trees) - self._mean) * self._weights
        return by_player(effects, self._of_column, self._n_players)

    @override
    def score(self, rows: ExplainedRows) -> FloatArray:
        return np.asarray(self._design.matrix(rows.matrices.trees) @ self._weights + self._constant)

    @override
    def interactions(self, rows: ExplainedRows) -> FloatArray:
        return np.zeros((len(rows), self._n_players, self._n_players))


class ConstantPart(ExplainedPart):
    """A model that answers every row alike."""

    algorithm = "constant"

    def __init__(self, value: float, n_players: int) -> None:
        self.base, self._n_players = value, n_players

    @override
    def contributions(self, rows: ExplainedRows) -> FloatArray:
        return np.zeros((len(rows), self._n_players))

    @override
    def score(self, rows: ExplainedRows) -> FloatArray:
        return np.full(len(rows), self.base)

    @override
    def interactions(self, rows: ExplainedRows) -> FloatArray:
        return np.zeros((len(rows), self._n_players, self._n_players))


class SumPart(ExplainedPart):
    """Parts whose scores are added with weights."""

    def __init__(self, parts: Sequence[ExplainedPart], weights: Sequence[float], constant: float = 0.0) -> None:
        self._parts, self._weights, self._constant = tuple(parts), tuple(weights), constant
        self.algorithm = " + ".join(dict.fromkeys(part.algorithm for part in parts))
        self.base = constant + sum(w * part.base for w, part in zip(self._weights, self._parts, strict=True))

    @override
    def contributions(self, rows: ExplainedRows) -> FloatArray:
        found = (w * part.contributions(rows) for w, part in zip(self._weights, self._parts, strict=True))
        return np.asarray(sum(found))

    @override
    def score(self, rows: ExplainedRows) -> FloatArray:
        found = sum(w * part.score(rows) for w, part in zip(self._weights, self._parts, strict=True))
        return np.asarray(found + self._constant)

    @override
    def interactions(self, rows: ExplainedRows) -> FloatArray:
        found = (w * part.interactions(rows) for w, part in zip(self._weights, self._parts, strict=True))
        return np.asarray(sum(found))

    @property
    @override
    def interaction_cost(self) -> int:
        return sum(part.interaction_cost for part in self._parts)


class MemberPart(ExplainedPart):
    """A member of a stack of models, which reads matrices of its own."""

    def __init__(self, part: ExplainedPart, member: MemberAnatomy, players: Sequence[int], n_players: int) -> None:
        """Place a member among the players of its stack.

        Args:
            part: The member's part.
            member: The member.
            players: The position of each of its players among those of the stack.
            n_players: How many players the stack has.
        """
        self._part, self._member = part, member
        self._players, self._n_players = np.asarray(players, dtype=np.int64), n_players
        self.algorithm, self.base = part.algorithm, part.base

    @override
    def contributions(self, rows: ExplainedRows) -> FloatArray:
        out = np.zeros((len(rows), self._n_players))
        out[:, self._players] = self._part.contributions(self._own(rows))
        return out

    @override
    def score(self, rows: ExplainedRows) -> FloatArray:
        return self._part.score(self._own(rows))

    @override
    def interactions(self, rows: ExplainedRows) -> FloatArray:
        out = np.zeros((len(rows), self._n_players, self._n_players))
        out[:, self._players[:, None], self._players] = self._part.interactions(self._own(rows))
        return out

    @property
    @override
    def interaction_cost(self) -> int:
        return self._part.interaction_cost

    def _own(self, rows: ExplainedRows) -> ExplainedRows:
        return ExplainedRows(rows.frame, self._member.anatomy.matrices(rows.frame))


@dataclass(frozen=True, slots=True)
class Assembly:
    """How the learner of a model is taken apart.

    Attributes:
        anatomy: The model.
        reading: Of trees; linear models have only the background.
        background: The reference rows.
        output: Of a classification with several classes: which class.
    """

    anatomy: Anatomy
    reading: TreeReading
    background: ExplainedRows
    output: int = 0

    @property
    def players(self) -> tuple[str, ...]:
        """The columns of the table that contributions are of."""
        linear = linear_columns(self.anatomy.space) if self.anatomy.space is not None else ()
        of_members = (name for member in self.anatomy.members for name in self._of_member(member).players)
        return tuple(dict.fromkeys([*linear, *self.anatomy.columns, *of_members]))

    def part(self) -> tuple[ExplainedPart, str]:
        """Return the model's part, and the scale of its score in words.

        Raises:
            NotAdditiveError: It has no exact explanation.
        """
        if self.anatomy.members:
            return self._stack(), self.anatomy.scale
        part, scale = self._of(self.anatomy.learner)
        if scale == self.anatomy.scale and (self.anatomy.spread, self.anatomy.centre) != (1.0, 0.0):
            part = SumPart([part], [self.anatomy.spread], self.anatomy.centre)
        return part, scale

    def _stack(self) -> ExplainedPart:
        """Add the members of a stack of models on their own learning scales."""
        players = self.players
        parts = []
        for member in self.anatomy.members:
            own = self._of_member(member)
            part, scale = own.part()
            if scale != member.anatomy.scale:
                raise NotAdditiveError(
                    f"The stack adds scores ({member.anatomy.scale}), and its member {member.name} is explained on the "
                    f"scale of {scale}."
                )
            parts.append(MemberPart(part, member, [players.index(name) for name in own.players], len(players)))
        return SumPart(parts, [member.weight for member in self.anatomy.members], self.anatomy.constant)

    def _of_member(self, member: MemberAnatomy) -> "Assembly":
        frame = self.background.frame
        return Assembly(member.anatomy, self.reading, ExplainedRows(frame, member.anatomy.matrices(frame)))

    def _of(self, learner: Any) -> tuple[ExplainedPart, str]:
        link = self.anatomy.scale
        if isinstance(learner, LinearLearner):
            space = self.anatomy.space
            assert space is not None
            if (most := most_sources(space)) > MOST_SOURCES:
                raise NotAdditiveError(f"A term of the linear model reads {most} columns, more than {MOST_SOURCES}.")
            return DesignPart(learner, self.anatomy, self.background, self.players), link
        if isinstance(learner, OffsetLearner):
            return SumPart([self._of(learner.linear)[0], self._trees(learner)], [1.0, 1.0]), link
        if isinstance(learner, BoostedLearner):
            return SumPart([self._trees(learner)], [1.0], learner.base), link
        if isinstance(learner, ReservoirLearner):
            return self._of(learner.fitted)
        if isinstance(learner, LightGbmLearner):
            return self._trees(learner), link
        if isinstance(learner, XGBoostLearner):
            if self.reading is TreeReading.BACKGROUND:
                return self._plain(trees_of_xgboost(learner.booster, learner.library.DMatrix), "XGBoost"), link
            return OwnContributionsPart(learner, "XGBoost", *self._columns), link
        if isinstance(learner, SklearnLearner):
            return self._sklearn(learner)
        if isinstance(learner, StandardisedLinearLearner):
            return ColumnsPart(learner, self.background, *self._columns, output=self.output), link
        if isinstance(learner, ConstantLearner):
            return ConstantPart(float(learner.value[self.output if learner.n_classes > 2 else -1]), self._columns[1]), (
                PROBABILITY if learner.n_classes else link
            )
        if isinstance(learner, IsolationForestLearner):
            forest = FlatForest.of(learner.estimator, n_features=len(self.anatomy.columns))
            return self._plain(trees_of_forest(forest), "the isolation forest", learner.filled), FOREST_SCALE
        if isinstance(learner, FlatForest):
            return self._plain(trees_of_forest(learner), "the isolation forest"), FOREST_SCALE
        if isinstance(learner, BlendLearner):
            weights = dict(zip(learner.parts, learner.weights, strict=True))
            return self._sum({name: part for name, part in learner.parts.items() if weights[name]}, weights)
        if isinstance(learner, EnsembleLearner | TableEnsemble):
            return self._ensemble(learner.members, learner.combination)
        raise NotAdditiveError(f"There is no exact algorithm for {type(learner).__name__}.")

    def _sklearn(self, learner: SklearnLearner) -> tuple[ExplainedPart, str]:
        fill = None if learner.reads_missing else learner.cells
        if not isinstance(learner, RandomForestLearner):
            output = self.output if learner.n_classes > 2 else 0
            return self._plain(
                trees_of_sklearn(learner.estimator, output=output), learner.name, fill
            ), self.anatomy.scale
        if learner.n_classes and len(learner.estimator.classes_) != learner.n_classes:
            raise NotAdditiveError("The training rows lacked a class, so the forest answers every row alike.")
        output = self.output if learner.n_classes > 2 else max(learner.n_classes - 1, 0)
        trees = trees_of_sklearn(learner.estimator, output=output)
        return self._plain(trees, learner.name, fill), PROBABILITY if learner.n_classes else self.anatomy.scale

    def _trees(self, learner: BoostedLearner | LightGbmLearner) -> ExplainedPart:
        if learner.booster is None:
            return ConstantPart(0.0, self._columns[1])
        output = self.output if learner.booster.num_model_per_iteration() > 1 else 0
        if self.reading is TreeReading.PATH_DEPENDENT:
            return OwnContributionsPart(learner, "LightGBM", *self._columns, output=output)
        return self._plain(trees_of_lightgbm(learner.booster, output=output), "LightGBM")

    def _plain(self, trees: PlainTrees, library: str, fill: Any = None) -> ExplainedPart:
        background = self.background.matrices.trees if self.reading is TreeReading.BACKGROUND else None
        return TreesPart(trees, *self._columns, background=background, library=library, fill=fill)

    def _ensemble(
        self, members: Mapping[str, ContinuingLearner] | Mapping[str, FitOnceLearner], combination: Combination
    ) -> tuple[ExplainedPart, str]:
        if isinstance(combination, MetaLearner):
            if combination.learner is None:
                return self._sum(members, dict.fromkeys(members, 1.0 / len(members)))
            parts, weights = combination.learner.parts(), combination.weights
            if parts is None or weights is None:
                raise NotAdditiveError("The ensemble's meta-learner grows trees on the members' scores.")
            of_member = dict(zip(members, weights.tolist(), strict=True))
            return self._sum(members, of_member, parts.intercept, on_link=True)
        if isinstance(combination, WeightedMean) or (isinstance(combination, Votes) and not combination.is_hard):
            assert combination.weights is not None
            return self._sum(members, dict(zip(members, combination.weights.tolist(), strict=True)))
        raise NotAdditiveError("The ensemble takes a majority or a median of its members.")

    def _sum(
        self, members: Mapping[str, Any], weights: Mapping[str, float], constant: float = 0.0, *, on_link: bool = False
    ) -> tuple[ExplainedPart, str]:
        """Add members; the mean of probabilities is a sum only of members that answer probabilities themselves."""
        found = {name: self._of(member) for name, member in members.items()}
        (scale, *others) = dict.fromkeys(scale for _, scale in found.values())
        averages_chances = bool(self.anatomy.classes) and not on_link
        if others or averages_chances != (scale == PROBABILITY and bool(self.anatomy.classes)):
            raise NotAdditiveError(
                f"The ensemble {'averages probabilities' if averages_chances else 'adds log odds'}, and its members "
                f"are explained on the scale of {' and '.join((scale, *others))}."
            )
        return SumPart([part for part, _ in found.values()], [weights[name] for name in found], constant), scale

    @property
    def _columns(self) -> tuple[list[int], int]:
        players = self.players
        return [players.index(column) for column in self.anatomy.columns], len(players)
