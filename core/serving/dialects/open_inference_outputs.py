"""The output of an Open Inference answer: which one is asked for, and in which form."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from core.escape import shown
from core.serving.dialects.content_types import check_content_type
from core.serving.dialects.dialect import Answered
from core.serving.dialects.intervals import intervals_of
from core.serving.dialects.open_inference_models import class_names
from core.serving.dialects.open_inference_parameters import PARAMETERS, read_parameters
from core.serving.dialects.open_inference_tensors import refuse_shared_memory
from core.serving.dialects.tensors import packed_numbers, packed_texts
from core.serving.errors import BadRequestError
from core.serving.signature import ServingSignature

INTERVAL = "interval"
"""The parameter of a request, and of its answer: the level of conformal intervals."""


class OutputParameters(msgspec.Struct):
    """What a request says of an output."""

    binary_data: bool | None = None
    classification: int | None = None
    shared_memory_region: str | None = None
    content_type: str | None = None


class WantedOutput(msgspec.Struct):
    """An output that a request asks for."""

    name: str
    parameters: dict[str, Any] = {}


class RequestParameters(msgspec.Struct):
    """What a request says of the whole answer."""

    binary_data_output: bool = False
    content_type: str | None = None
    interval: float | None = None  # our extension: the level of a conformal interval of each answer


class OutputForm(NamedTuple):
    """How the output is to be sent, unless as plain JSON."""

    is_binary: bool = False
    n_classes: int = 0  # the likeliest classes as texts instead of the numbers
    level: float | None = None  # of an interval of each answer


class InferOutput(NamedTuple):
    """The output of one answer."""

    name: str
    datatype: str  # FP64, or BYTES for classes
    shape: list[int]
    data: list[Any]  # in row order
    parameters: dict[str, str]

    def packed(self) -> bytes:
        """Return the bytes of the values."""
        return packed_numbers(self.data) if self.datatype == "FP64" else packed_texts(self.data)


PLAIN = OutputForm()


def form_of(
    outputs: Sequence[WantedOutput], parameters: Mapping[str, Any] | None, signature: ServingSignature
) -> OutputForm:
    """Read how the output is to be sent.

    Raises:
        BadRequestError: The model has no such output, or a parameter cannot be read.
    """
    whole = read_parameters(parameters or {}, RequestParameters, PARAMETERS)
    check_content_type(whole.content_type, PARAMETERS)
    form = OutputForm(whole.binary_data_output, level=whole.interval)
    for wanted in outputs:
        if wanted.name != signature.output:
            raise BadRequestError(
                f"has no output {shown(wanted.name)}; the only output is {signature.output}", field="outputs"
            )
        asked = read_parameters(wanted.parameters, OutputParameters, f"{wanted.name}.{PARAMETERS}")
        refuse_shared_memory(asked, wanted.name)
        check_content_type(asked.content_type, wanted.name)
        n_classes = asked.classification or 0
        if n_classes < 0 or (n_classes and not signature.classes):
            raise BadRequestError(
                f"asks for {n_classes} classes; the model has {len(signature.classes) or 'none'}", field="outputs"
            )
        is_binary = form.is_binary if asked.binary_data is None else asked.binary_data
        form = form._replace(is_binary=is_binary, n_classes=n_classes)
    return form


def output_of(form: OutputForm, answered: Answered) -> InferOutput:
    """Return the output of an answer in a form."""
    signature, data = answered.signature, answered.values
    if form.n_classes:
        rows = [_ranked(row, signature.classes, form.n_classes) for row in data]
        return InferOutput(
            signature.output, "BYTES", [len(data), len(rows[0])], [text for row in rows for text in row], {}
        )
    if isinstance(data[0], list):  # a probability for each class
        numbers = [number for row in data for number in row]
        return InferOutput(signature.output, "FP64", [len(data), len(data[0])], numbers, class_names(signature))
    return InferOutput(signature.output, "FP64", [len(data)], data, {})


def outputs_of(form: OutputForm, answered: Answered) -> tuple[list[InferOutput], float | None]:
    """Return the output of an answer, with the limits of its interval as outputs of their own where it is wanted.

    They are `NAME_low` and `NAME_high`, of numbers; of classes `NAME_set`, for each row a JSON list of names.

    Returns:
        The outputs, and the level of the intervals.
    """
    main = output_of(form, answered)
    if form.level is None:
        return [main], None
    name, found = answered.signature.output, intervals_of(answered, form.level)
    if found.classes is not None:
        texts = [orjson.dumps(each).decode() for each in found.classes]
        return [main, InferOutput(f"{name}_set", "BYTES", [len(texts)], texts, {})], found.level
    sides = (("low", found.low), ("high", found.high))
    limits = [InferOutput(f"{name}_{side}", "FP64", [len(numbers)], numbers, {}) for side, numbers in sides]
    return [main, *limits], found.level


def _ranked(answer: Any, classes: tuple[str, ...], n: int) -> list[str]:
    """Return the likeliest classes of a row, as `value:index:label`."""
    probabilities = answer if isinstance(answer, list) else [1.0 - answer, answer]
    order = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])[:n]
    return [f"{probabilities[index]:f}:{index}:{classes[index]}" for index in order]
