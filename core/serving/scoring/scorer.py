"""Scorers of checked rows: the model's own scorer for single rows, or the model through a table."""

from abc import ABC, abstractmethod
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import override

from core.arrays import FloatArray
from core.losses import AnswerForm
from core.models.interface import Model
from core.models.scoring.fields import Rows
from core.models.scoring.scorer import RowScorer
from core.serving.errors import BadRequestError
from core.serving.renamed_signature import signature_of
from core.serving.scoring.frames import frame_of, open_frame
from core.serving.signature import OpenSignature, ServingSignature

if TYPE_CHECKING:
    from core.text.model_folder import TextModel
    from core.text.traffic import TextGauge

_MOST_CLASSES = 1_000
_NOT_FOR_MODELS = (StopIteration, TimeoutError, CancelledError)
"""A future of asyncio cannot hold the first; the others would be taken for an answer that came late."""


class WrongShapeError(ArithmeticError):
    """A model's answer has another shape than one answer for each row."""

    def __init__(self, shape: tuple[int, ...], n_rows: int, n_classes: int) -> None:
        wanted = f"({n_rows},)" + (f" or ({n_rows}, {n_classes})" if n_classes > 2 else "")
        super().__init__(f"its answer to {n_rows:,} rows has the shape {shape} instead of {wanted}")


class ModelEndedError(RuntimeError):
    """A model raised an error that is meant for the program or its event loop, such as `SystemExit`."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"the model raised {error!r} instead of answering")


class Scorer(ABC):
    """Scores checked rows exactly as its model does.

    Attributes:
        signature: The fields of a row.
        is_fast: Whether one row takes microseconds, so that the fast path may answer it.
        form: What it answers, by which the outcome of a prediction is judged.
        text: The model of language, which writes texts and refuses rows; None of any other.
        gauge: Measures its texts; None of any other.
    """

    signature: ServingSignature
    is_fast: bool = False
    form: AnswerForm = AnswerForm()
    text: "TextModel | None" = None
    gauge: "TextGauge | None" = None

    @abstractmethod
    def answer(self, rows: Rows) -> FloatArray:
        """Return the predictions of `Model.predict`, shape (n,). Safe to call from several threads."""

    def checked_answer(self, rows: Rows) -> FloatArray:
        """Return the predictions, whatever the code of a plug-in does.

        Raises:
            WrongShapeError: They are not one for each row.
            ModelEndedError: The model raised what would end the program, or confuse the loop that waits for it.
        """
        try:
            answers = self.answer(rows)
        except _NOT_FOR_MODELS as error:
            raise ModelEndedError(error) from error
        except Exception:
            raise
        except BaseException as error:
            raise ModelEndedError(error) from error
        n_rows, n_classes = len(rows), len(self.form.classes)
        is_one_each = answers.shape == (n_rows,)
        if not is_one_each and not (
            answers.ndim == 2 and len(answers) == n_rows and answers.shape[1] in _widths(n_classes)
        ):
            raise WrongShapeError(answers.shape, n_rows, n_classes)
        return answers

    def check(self, rows: Rows) -> None:  # noqa: B027 - most scorers refuse nothing that their signature allows
        """Refuse rows that the signature allows and `answer` would refuse.

        Raises:
            BadRequestError: What cannot be read.
        """


def _widths(n_classes: int) -> range:
    """Return how many probabilities an answer may have: those of all classes, if the classes are known."""
    return range(n_classes, n_classes + 1) if n_classes else range(1, _MOST_CLASSES + 1)


class CompiledScorer(Scorer):
    """A model's own scorer for single rows, with the decoders of its fields.

    Attributes:
        rows: The model's scorer.
    """

    def __init__(self, rows: RowScorer) -> None:
        self.rows = rows
        self.signature = signature_of(rows.fields, unit=rows.unit)
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
    def check(self, rows: Rows) -> None:
        frame_of(self.signature, rows)

    @override
    def answer(self, rows: Rows) -> FloatArray:
        frame = self._model.as_strangers(frame_of(self.signature, rows))
        return np.asarray(self._model.predict(frame), dtype=np.float64)


class OpenScorer(Scorer):
    """A model that does not declare its fields: the table holds all fields of the request."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.signature = OpenSignature()

    @override
    def answer(self, rows: Rows) -> FloatArray:
        try:
            return np.asarray(self._model.predict(open_frame(rows.texts)), dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:  # nothing else says which fields it needs
            raise BadRequestError(f"The model cannot read this request: {error!r:.300}.") from error


def compiled(model: Model) -> CompiledScorer | None:
    """Return a scorer around the model's own scorer for single rows, if it offers one.

    Raises:
        UnsupportedSpaceError: The model offers such a scorer, but reads fields that it does not support.
    """
    rows = model.row_scorer() if _answers_as_its_form(model) else None
    return None if rows is None else CompiledScorer(rows)


def _answers_as_its_form(model: Model) -> bool:
    """Whether one class defines both `predict` and `row_scorer`: a subclass with its own `predict` may compute more."""
    kinds = type(model).__mro__
    defined_by = {name: next(n for n, kind in enumerate(kinds) if name in vars(kind)) for name in _FORMS}
    return defined_by["predict"] >= defined_by["row_scorer"]


_FORMS = ("predict", "row_scorer")
