"""A version's model as one file of ONNX: preprocessing, trees, linear models and their ensembles, in doubles."""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from core.arrays import FloatArray
from core.errors import UsageError
from core.explain.plain_trees import PlainTrees
from core.interop.onnx_features import Spelling, as_it_is, matrices_in
from core.interop.onnx_graph import Graph, GraphValue
from core.interop.onnx_learners import LearnersInGraph, NotWrittenInOnnxError
from core.interop.onnx_parity import ScoredRows, splits_of
from core.models.anatomy import Anatomy
from core.models.learners.flat_forest import FlatForest
from core.models.learners.learner import ContinuingLearner
from core.models.scoring.fields import NUMERIC, Field
from core.models.scoring.scorer import UnsupportedSpaceError

if TYPE_CHECKING:
    from core.models.interface import Model

PREDICTION: Final = "prediction"


class OnnxInput(msgspec.Struct, frozen=True, kw_only=True):
    """One input of the file: a value a row."""

    name: str
    is_text: bool


class OnnxModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in ONNX.

    Attributes:
        content: The file.
        inputs: Its inputs.
        n_outputs: Values of an answer: one, or a probability of each of several classes.
    """

    content: bytes
    inputs: tuple[OnnxInput, ...]
    n_outputs: int


class WrittenOnnx(msgspec.Struct, frozen=True, kw_only=True):
    """A model in ONNX, with what its answers are compared by."""

    onnx: OnnxModel
    fields: tuple[Field, ...]
    scored: ScoredRows
    splits: dict[str, FloatArray]


def require_onnx(extra: str = "onnx") -> None:
    """Make sure that the libraries of ONNX are installed.

    Args:
        extra: The extra that has all that is wanted.
    Raises:
        UsageError: It is not.
    """
    try:
        import_module("onnx")
        import_module("onnxruntime")
    except ImportError:
        raise UsageError(f"onnx and onnxruntime are not installed: pip install 'bondx-console[{extra}]'.") from None


def written_onnx(model: "Model", notes: dict[str, str], spelled: Spelling = as_it_is) -> WrittenOnnx:
    """Write a model.

    Args:
        model: A trained one.
        notes: The metadata of the file.
        spelled: Returns how the file writes a level of a column.
    Raises:
        NotWrittenInOnnxError: A part of the model has no form in ONNX.
    """
    try:
        scorer = model.row_scorer()
    except UnsupportedSpaceError as error:
        raise NotWrittenInOnnxError(f"there is {error}") from error
    anatomy = model.anatomy()
    if scorer is None:
        raise NotWrittenInOnnxError("a column that it reads is a date, or its rows are scored through a table alone")
    if anatomy is None:
        raise NotWrittenInOnnxError(f"the method of {model.name} is no sum, tree or linear model")
    fields = tuple(scorer.fields)
    if dates := [field.name for field in fields if field.kind not in (*NUMERIC, "category")]:
        raise NotWrittenInOnnxError(f"it reads {', '.join(dates)}, which is neither a number nor a category")
    names = tuple(field.name for field in fields)
    if PREDICTION in names:
        raise NotWrittenInOnnxError(f"a column that it reads is named {PREDICTION}, as its output is")
    graph = Graph((*names, PREDICTION))
    splits: list[PlainTrees] = []
    inputs = {field.name: graph.input(field.name, is_text=field.kind not in NUMERIC) for field in fields}
    output, n_outputs = _answer(graph, anatomy, inputs, {field.name: field for field in fields}, splits, spelled)
    told = notes | {"bondx.unit": scorer.unit, "bondx.classes": msgspec.json.encode(anatomy.classes).decode()}
    content = graph.to_bytes(output, PREDICTION, n_columns=n_outputs, notes=told)
    of_columns = splits_of(anatomy.columns, splits) if anatomy.space is None and not anatomy.members else {}
    return WrittenOnnx(
        onnx=OnnxModel(content=content, inputs=_inputs(fields), n_outputs=n_outputs),
        fields=fields,
        scored=scorer.answer,
        splits=of_columns,
    )


def _inputs(fields: Sequence[Field]) -> tuple[OnnxInput, ...]:
    return tuple(OnnxInput(name=field.name, is_text=field.kind not in NUMERIC) for field in fields)


def _answer(
    graph: Graph,
    anatomy: Anatomy,
    inputs: dict[str, GraphValue],
    fields: dict[str, Field],
    splits: list[PlainTrees],
    spelled: Spelling,
) -> tuple[GraphValue, int]:
    """Return the answers, and how many values each has."""
    if anatomy.members or isinstance(anatomy.learner, ContinuingLearner):
        margin = _margin(graph, anatomy, inputs, fields, splits, spelled)
        if anatomy.curve == "logistic":
            return graph.op("Sigmoid", margin), 1
        if anatomy.curve == "sinh":  # the operator Sinh reads single precision
            apart = graph.op("Sub", graph.op("Exp", margin), graph.op("Exp", graph.op("Neg", margin)))
            return graph.op("Mul", apart, anatomy.sinh_unit / 2.0), 1
        return margin, 1
    if isinstance(anatomy.learner, FlatForest):
        raise NotWrittenInOnnxError("its forest reads columns that its own code derives from a row")
    learners = LearnersInGraph(graph, matrices_in(graph, anatomy, inputs, fields, spelled), splits)
    answer, n_classes = learners.answer(anatomy.learner), len(anatomy.classes)
    if n_classes == 2:
        return graph.columns(answer, np.array([1])), 1
    if n_classes > 2:
        return answer, n_classes
    if (anatomy.spread, anatomy.centre) != (1.0, 0.0):
        answer = graph.op("Add", graph.op("Mul", answer, anatomy.spread), anatomy.centre)
    return answer, 1


def _margin(
    graph: Graph,
    anatomy: Anatomy,
    inputs: dict[str, GraphValue],
    fields: dict[str, Field],
    splits: list[PlainTrees],
    spelled: Spelling,
) -> GraphValue:
    """Return the score on the learning scale, of a stack the sum of those of its members."""
    if not anatomy.members:
        return LearnersInGraph(graph, matrices_in(graph, anatomy, inputs, fields, spelled), splits).margin(
            anatomy.learner
        )
    total: GraphValue | None = None
    for member in anatomy.members:
        own = graph.op("Mul", _margin(graph, member.anatomy, inputs, fields, splits, spelled), member.weight)
        total = own if total is None else graph.op("Add", total, own)
    assert total is not None
    return graph.op("Add", total, anatomy.constant)
