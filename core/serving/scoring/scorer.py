"""What answers checked rows: the model's own form for single rows, or the model through a table."""

from abc import ABC, abstractmethod

import numpy as np
from typing_extensions import override

from core.arrays import FloatArray
from core.models.interface import Model
from core.models.scoring.fields import Rows
from core.models.scoring.scorer import RowScorer
from core.serving.scoring.frames import frame_of, open_frame
from core.serving.signature import OpenSignature, ServingSignature


class Scorer(ABC):
    """Answers checked rows as its model would.

    Attributes:
        signature: What rows must be like.
        is_fast: Whether one row takes microseconds, so that it may be answered where requests are read.
    """

    signature: ServingSignature
    is_fast: bool = False

    @abstractmethod
    def answer(self, rows: Rows) -> FloatArray:
        """Return what `Model.predict` would, shape (n,). Safe to call from several threads at once."""


class CompiledScorer(Scorer):
    """The form of a model for single rows, with the decoders of its fields.

    Attributes:
        rows: That form.
    """

    def __init__(self, rows: RowScorer) -> None:
        self.rows = rows
        self.signature = ServingSignature(rows.fields, unit=rows.unit)
        self.is_fast = rows.is_fast

    @override
    def answer(self, rows: Rows) -> FloatArray:
        return self.rows.answer(rows)


class FrameScorer(Scorer):
    """Any model through its own `predict`: slower, since every request becomes a table first."""

    def __init__(self, model: Model, signature: ServingSignature) -> None:
        self._model = model
        self.signature = signature

    @override
    def answer(self, rows: Rows) -> FloatArray:
        frame = self._model.as_strangers(frame_of(self.signature, rows))
        return np.asarray(self._model.predict(frame), dtype=np.float64)


class OpenScorer(Scorer):
    """A model that has not said what it reads: whatever a request brings is the table."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.signature = OpenSignature()

    @override
    def answer(self, rows: Rows) -> FloatArray:
        return np.asarray(self._model.predict(open_frame(rows.texts)), dtype=np.float64)


def compiled(model: Model) -> CompiledScorer | None:
    """Take the form that a model offers for single rows, if it offers one.

    Raises:
        UnsupportedSpaceError: It has such a form, but reads something that has none.
    """
    rows = model.row_scorer() if _answers_as_its_form(model) else None
    return None if rows is None else CompiledScorer(rows)


def _answers_as_its_form(model: Model) -> bool:
    """Whether `predict` comes from where `row_scorer` does: a subclass with a `predict` of its own may add to it."""
    kinds = type(model).__mro__
    defined_by = {name: next(n for n, kind in enumerate(kinds) if name in vars(kind)) for name in _FORMS}
    return defined_by["predict"] >= defined_by["row_scorer"]


_FORMS = ("predict", "row_scorer")
