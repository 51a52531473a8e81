"""TensorFlow Serving's Predict: a tensor for each field, or a matrix if all fields are numbers.

A tensor is held to the type and the shape that it declares; [n], [n, 1] and, for one row, [] are taken. A value that
stands for all that follow, as TensorFlow writes constant tensors, is read for columns. Inputs that the model does not
read are ignored, as over REST.

Source: tensorflow/core/framework/{tensor,types}.proto, tensorflow_serving/apis/predict.proto
"""

import math
from typing import Any

import numpy as np
from typing_extensions import override

from core.client.tf_messages import PredictRequest, PredictResponse, SpecRequest
from core.escape import shown
from core.serving.dialects.dialect import Answered, Reader, ReadRequest
from core.serving.dialects.open_inference_tensors import MOST_RANK, Tensor, TensorReader, check_rank
from core.serving.dialects.tensors import ELEMENTS, Element
from core.serving.dialects.tf_serving import SIGNATURE
from core.serving.errors import BadRequestError, CallerFaultError
from core.serving.predict import Target
from core.serving.rpc.counting import CountedPart, CountedParts
from core.serving.rpc.predicting import MOST_MORE, RpcDialect, check_size, message_of
from core.serving.signature import ServingSignature
from core.tf_versions import number_of, version_of

# number -> name, element type, field of a tensor that holds its values
_TYPES = {
    1: ("DT_FLOAT", "FP32", "float_val"),
    2: ("DT_DOUBLE", "FP64", "double_val"),
    3: ("DT_INT32", "INT32", "int_val"),
    4: ("DT_UINT8", "UINT8", "int_val"),
    5: ("DT_INT16", "INT16", "int_val"),
    6: ("DT_INT8", "INT8", "int_val"),
    7: ("DT_STRING", "BYTES", "string_val"),
    9: ("DT_INT64", "INT64", "int64_val"),
    10: ("DT_BOOL", "BOOL", "bool_val"),
    14: ("DT_BFLOAT16", "BF16", "half_val"),
    17: ("DT_UINT16", "UINT16", "int_val"),
    19: ("DT_HALF", "FP16", "half_val"),
    22: ("DT_UINT32", "UINT32", "uint32_val"),
    23: ("DT_UINT64", "UINT64", "uint64_val"),
}
_NAMES = {element: name for name, element, _ in _TYPES.values()}
DOUBLE = 2


class TfPredict(RpcDialect):
    """Predict requests."""

    name = "tf_serving_grpc"
    title = "TensorFlow Serving over gRPC"
    predict_path = "/tensorflow.serving.PredictionService/Predict"

    @override
    def target(self, content: bytes) -> Target:
        return Target(self, *which(message_of(SpecRequest, content).model_spec))

    @override
    def reader(self, signature: ServingSignature) -> Reader:
        tensors = TensorReader(signature)
        names = [field.name for field in signature.fields]
        parts = _parts(len(names) + MOST_MORE)

        def read(content: bytes) -> ReadRequest:
            request = message_of(PredictRequest, content, parts=parts)
            check_signature(request.model_spec)
            for wanted in request.output_filter:
                if wanted != signature.output:
                    problem = f"has no output {shown(wanted)}; the only output is {signature.output}"
                    raise BadRequestError(problem, field="output_filter")
            given = request.inputs
            known = [name for name in names if name in given]
            if signature.is_open or (not known and len(given) == 1):
                known = list(given)
            inputs, binary = [], {}
            for name in known:
                tensor, packed = self._tensor(name, given[name], tensors)
                inputs.append(tensor)
                if packed is not None:
                    binary[name] = packed
            return ReadRequest(tensors.rows(inputs, binary, {}))

        return read

    def _tensor(self, name: str, given: Any, tensors: TensorReader) -> tuple[Tensor, bytes | None]:
        """Read one tensor, and its bytes where it holds its values as such."""
        if given.dtype not in _TYPES:
            raise CallerFaultError(f"has the dtype {given.dtype}, which is not supported", field=name)
        label, datatype, place = _TYPES[given.dtype]
        takes = tensors.takes(name)
        if datatype not in takes:
            choices = ", ".join(sorted(_NAMES[each] for each in takes))
            raise BadRequestError(f"has the dtype {label}; the model takes {choices}", field=name)
        check_rank(name, len(given.tensor_shape.dim))
        shape = [dim.size for dim in given.tensor_shape.dim]
        if given.tensor_shape.unknown_rank or min(shape, default=0) < 0:
            raise CallerFaultError(f"has the shape {shape}; its rank must be known, and no size negative", field=name)
        if given.tensor_content:
            check_size(name, shape, 0, self._most_rows)
            if datatype == "BYTES":
                raise CallerFaultError(
                    "has texts as tensor_content, which is not supported; use string_val", field=name
                )
            return Tensor(name, shape or [1], datatype), given.tensor_content
        values = getattr(given, place)
        check_size(name, shape, len(values), self._most_rows)
        data = _values(name, values, ELEMENTS[datatype])
        return Tensor(name, shape or [1], datatype, self._filled(name, data, shape)), None

    def _filled(self, name: str, data: list[Any], shape: list[int]) -> list[Any]:
        """Let the last value stand for those that follow, in a column."""
        n = math.prod(shape)
        if not data or len(data) >= n or (len(shape) > 1 and shape[1:] != [1]):
            return data
        return data + [data[-1]] * (n - len(data))

    @override
    def reply(self, asked: ReadRequest, answered: Answered) -> bytes:
        response = PredictResponse()
        fill_spec(response.model_spec, answered.model, answered.version)
        output = response.outputs[answered.signature.output]
        output.dtype = DOUBLE
        values = answered.values
        sizes = [len(values)]
        if isinstance(values[0], list):  # a probability for each class
            sizes.append(len(values[0]))
            values = [number for row in values for number in row]
        for size in sizes:
            output.tensor_shape.dim.add(size=size)
        # As TensorFlow Serving answers by default: clients without TensorFlow read no `tensor_content`.
        output.double_val.extend(values)
        content: bytes = response.SerializeToString()
        return content


def _parts(most: int) -> CountedParts:
    """Return what a request may hold of each part, by its number in the message."""
    sizes = CountedPart("a shape of {n} sizes", MOST_RANK)
    tensor = CountedPart(inside=((2, CountedPart(inside=((2, sizes),))),))
    return {2: CountedPart("{n} inputs", most, ((2, tensor),)), 3: CountedPart("{n} names in output_filter", MOST_MORE)}


def which(spec: Any) -> tuple[str, str | None, str | None]:
    """Read the model that a request names, and a version or a label of it.

    Raises:
        BadRequestError: It names no model, or both a version and a label.
    """
    if not spec.name:
        raise CallerFaultError("The request names no model: set model_spec.name.")
    has_version = spec.HasField("version")
    if has_version and spec.version_label:
        raise CallerFaultError("The request names both a version and a version_label; give one of them.")
    return spec.name, version_of(spec.version.value) if has_version else None, spec.version_label or None


def check_signature(spec: Any) -> None:
    """Refuse any signature but the only one.

    Raises:
        BadRequestError: It is another.
    """
    if spec.signature_name not in ("", SIGNATURE):
        problem = f"is {shown(spec.signature_name)}; the only signature is {SIGNATURE}"
        raise BadRequestError(problem, field="signature_name")


def fill_spec(spec: Any, model: str, version: str) -> None:
    """Name the model and the version that answered."""
    spec.name, spec.signature_name = model, SIGNATURE
    if (number := number_of(version)) is not None:
        spec.version.value = number


def _values(name: str, given: Any, element: Element) -> list[Any]:
    if element.name == "BYTES":
        try:
            return [text.decode() for text in given]
        except UnicodeDecodeError:
            raise CallerFaultError("holds a text that is not UTF-8", field=name) from None
    if element.name in ("FP16", "BF16"):
        if any(not 0 <= bits < 1 << 16 for bits in given):
            raise CallerFaultError("holds a half_val of more than 16 bits", field=name)
        return element.unpacked(np.array(given, "<u2").tobytes(), len(given), name)
    if element.dtype.startswith("<f"):
        return [None if value != value else value for value in given]  # NaN is a missing value
    return list(given)
