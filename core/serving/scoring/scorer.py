"""From checked rows to answers: one scorer a model version, built from the loaded model when it is warmed."""

import threading
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from core.arrays import FloatArray
from core.domains.bonds.models.anomaly import FOREST, AnomalyModel
from core.domains.bonds.models.consistency import CERTAIN, LONGEST_YEARS
from core.domains.bonds.models.residual import residual_evidence
from core.domains.bonds.serving_fields import anomaly_signature, forest_signature, supervised_signature
from core.domains.table.models.boosting import LightGbmTableLearner
from core.domains.table.models.linear import LinearTableLearner
from core.domains.table.models.model import TableModel
from core.models.interface import Model
from core.models.learners.boosting import BoostedLearner, OffsetLearner
from core.models.learners.learner import Learner
from core.models.learners.linear import LinearLearner
from core.models.learners.samples import Matrices
from core.models.supervised import SupervisedModel
from core.serving.scoring.booster import FastTrees
from core.serving.scoring.features import CompiledSpace
from core.serving.scoring.forest import CompiledForest
from core.serving.scoring.frames import frame_of, open_frame
from core.serving.scoring.one_row import OneRow
from core.serving.scoring.table_rows import TableRows, table_signature
from core.serving.signature import OpenSignature, Rows, Signature
from core.tables.signature import Kind as TableKind
from core.tables.signature import Signature as TableSignature


class Scorer(ABC):
    """Answers checked rows as its model would.

    Attributes:
        signature: What rows must be like.
        is_fast: Whether one row takes microseconds, so that it may be answered where requests are read.
    """

    signature: Signature
    is_fast: ClassVar[bool] = True

    @abstractmethod
    def answer(self, rows: Rows) -> FloatArray:
        """Return what `Model.predict` would, shape (n,). Safe to call from several threads at once."""


class SupervisedScorer(Scorer):
    """A model with a label: compiled features, then the learner that ships."""

    def __init__(self, model: SupervisedModel) -> None:
        assert model.space is not None
        self._space = CompiledSpace(model.space)
        self._learner = _FastLearner(model.learners[model.shipping], self._space)
        self._to_answer = model.answer
        self.signature = supervised_signature(model, self._space)

    @override
    def answer(self, rows: Rows) -> FloatArray:
        return self._to_answer(self._learner.score(rows))


class ResidualScorer(Scorer):
    """The anomaly model by its residual detector, each row judged by itself.

    What contradicts other rows of the same table (duplicates, stale prices, an issuer's odd rating out) needs that
    table; a request of one row has none, so batches are judged row by row as well.
    """

    def __init__(self, model: AnomalyModel) -> None:
        spread = model.spread
        assert spread.space is not None
        self._space = CompiledSpace(spread.space, extra_numbers=("spread_bps", "maturity_years"))
        self._learner = _FastLearner(spread.learners[spread.shipping], self._space)
        self._scale = spread.scale
        self.signature = anomaly_signature(spread, self._space)
        names = [field.name for field in self.signature.numbers]
        self._spread_at, self._maturity_at = names.index("spread_bps"), names.index("maturity_years")

    @override
    def answer(self, rows: Rows) -> FloatArray:
        evidence = residual_evidence(rows.numbers[:, self._spread_at], self._learner.score(rows), self._scale)
        years = rows.numbers[:, self._maturity_at]
        impossible = (years <= 0) | (years > LONGEST_YEARS)
        # The two dates are the last texts of the signature; ISO dates compare as text.
        impossible |= [
            matures is not None and issued is not None and matures[:10] <= issued[:10]
            for *_, issued, matures in rows.texts
        ]
        return np.asarray(evidence + CERTAIN * impossible)


class ForestScorer(Scorer):
    """The anomaly model by its isolation forest."""

    def __init__(self, model: AnomalyModel) -> None:
        self._forest = CompiledForest(model.forest)
        self.signature = forest_signature(self._forest)

    @override
    def answer(self, rows: Rows) -> FloatArray:
        return self._forest.score(rows.numbers)


class TableScorer(Scorer):
    """A table model by its learner, without making a table of the request.

    Args:
        model: It has learnt.
        signature: Its own; no column is a time.
    """

    def __init__(self, model: TableModel, signature: TableSignature) -> None:
        self._model = model
        self._rows = TableRows(signature)
        self.signature = table_signature(signature)
        self._trees: FastTrees | None = None
        if isinstance(model.learner, LightGbmTableLearner) and len(signature.classes) <= 2:
            self._trees = FastTrees(model.learner.booster, raw=False, dtype=np.float64)

    @override
    def answer(self, rows: Rows) -> FloatArray:
        if self._trees is not None and len(rows) == 1:
            trees = self._trees.single()
            self._rows.read_one(rows.numbers[0], rows.texts[0], trees.row)
            return np.array([trees.score()])
        return self._model.predict_matrix(self._rows.matrix(rows))


class SlowTableScorer(TableScorer):
    """A table model whose learner takes a millisecond for a row."""

    is_fast = False


class FrameScorer(Scorer):
    """Any model through its own `predict`: slower, since every request becomes a table first."""

    is_fast = False

    def __init__(self, model: Model, signature: Signature) -> None:
        self._model = model
        self.signature = signature

    @override
    def answer(self, rows: Rows) -> FloatArray:
        frame = frame_of(self.signature, rows)
        if isinstance(self._model, AnomalyModel):  # tells a table's rows apart by these, as rows of strangers here
            frame = frame.assign(bond_id=range(len(frame)), issuer_id=range(len(frame)), as_of_date=0)
        return np.asarray(self._model.predict(frame), dtype=np.float64)


class OpenScorer(Scorer):
    """A model that has not said what it reads: whatever a request brings is the table."""

    is_fast = False

    def __init__(self, model: Model) -> None:
        self._model = model
        self.signature = OpenSignature()

    @override
    def answer(self, rows: Rows) -> FloatArray:
        return np.asarray(self._model.predict(open_frame(rows.texts)), dtype=np.float64)


class _FastLearner:
    """One learner on compiled features; only the matrices it reads are built."""

    def __init__(self, learner: Learner, space: CompiledSpace) -> None:
        self._learner = learner
        self._space = space
        linear = learner.linear if isinstance(learner, OffsetLearner) else learner
        self._coefficients = linear.coefficients[1:] if isinstance(linear, LinearLearner) else None
        self._intercept = float(linear.coefficients[0]) if isinstance(linear, LinearLearner) else 0.0
        self._trees: FastTrees | None = None
        if isinstance(learner, BoostedLearner):
            self._intercept = self._intercept if isinstance(learner, OffsetLearner) else learner.base
            self._trees = FastTrees(learner.booster) if learner.booster is not None else None
        self._is_compiled = isinstance(learner, (LinearLearner, BoostedLearner))
        self._of_thread = threading.local()

    def score(self, rows: Rows) -> FloatArray:
        space = self._space
        if self._is_compiled and len(rows.numbers) == 1:
            return np.array([self._score_one(rows.numbers[0], rows.texts[0])])
        numbers = rows.numbers[:, : len(space.numbers)]
        values = space.values(numbers, rows.texts)
        if not self._is_compiled:
            matrices = Matrices(space.linear(values, rows.texts), space.trees(values, rows.texts))
            return self._learner.score(matrices)
        if self._coefficients is None:
            score = np.full(len(rows), self._intercept)
        else:
            score = space.linear(values, rows.texts).astype(np.float64) @ self._coefficients + self._intercept
        if self._trees is not None:
            score += self._trees.scores(space.trees(values, rows.texts))
        return score

    def _score_one(self, numbers: FloatArray, texts: Any) -> float:
        try:
            row: OneRow = self._of_thread.row
        except AttributeError:
            row = self._of_thread.row = OneRow(self._space)
        row.read(numbers[: len(self._space.numbers)], texts)
        score = self._intercept
        if self._coefficients is not None:
            score = float(row.linear(texts) @ self._coefficients) + score
        if self._trees is not None:
            trees = self._trees.single()
            row.trees(texts, trees.row)
            score += trees.score()
        return score


def compiled(model: Model) -> Scorer | None:
    """Build the fast scorer of a model, if there is one for its kind.

    Raises:
        UnsupportedSpaceError: It is of a known kind, but reads something that is not.
    """
    if not _answers_as_known(model):
        return None
    if isinstance(model, SupervisedModel):
        return SupervisedScorer(model)
    if isinstance(model, AnomalyModel):
        return ForestScorer(model) if model.shipping == FOREST else ResidualScorer(model)
    if isinstance(model, TableModel) and model.signature is not None:
        if TableKind.TIME in model.signature.kinds.values():
            return None
        is_fast = isinstance(model.learner, (LightGbmTableLearner, LinearTableLearner))
        return (TableScorer if is_fast else SlowTableScorer)(model, model.signature)
    return None


def _answers_as_known(model: Model) -> bool:
    """Whether a model predicts as its known kind does: one from a user's package may add something of its own."""
    defined_by = next(kind for kind in type(model).__mro__ if "predict" in vars(kind))
    return defined_by.__module__.startswith(("core.models.", "core.domains."))
