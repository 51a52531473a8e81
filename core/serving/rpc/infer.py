"""ModelInfer of the Open Inference Protocol: the tensors of the REST form, as messages.

Values come in the contents of a tensor or, for all tensors, as raw bytes; the answer comes in the same form. NaN is a
missing value.

Source: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md
"""

from typing import Any

from typing_extensions import override

from core.client.message_classes import CHOICE
from core.explain.conformal import Conformal
from core.serving.dialects.content_types import Decode
from core.serving.dialects.dialect import Answered, Reader, ReadRequest
from core.serving.dialects.intervals import require_level
from core.serving.dialects.open_inference_outputs import (
    INTERVAL,
    WantedOutput,
    form_of,
    outputs_of,
)
from core.serving.dialects.open_inference_parameters import PARAMETERS, read_parameters
from core.serving.dialects.open_inference_tensors import InputParameters, Tensor, TensorReader, decoder_for
from core.serving.errors import CallerFaultError
from core.serving.predict import Target
from core.serving.rpc.counting import CountedPart, CountedParts
from core.serving.rpc.inference_messages import InferHead, InferRequest, InferResponse
from core.serving.rpc.predicting import MOST_MORE, RpcDialect, check_size, message_of
from core.serving.signature import ServingSignature

_MOST_PARAMETERS = 100  # of one tensor, of which two are read
_PLACES = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


class Infer(RpcDialect):
    """ModelInfer requests."""

    name = "open_inference_grpc"
    title = "Open Inference V2 over gRPC"
    predict_path = "/inference.GRPCInferenceService/ModelInfer"

    @override
    def target(self, content: bytes) -> Target:
        head = message_of(InferHead, content)
        if not head.model_name:
            raise CallerFaultError("The request names no model: set model_name.")
        return Target(self, head.model_name, head.model_version or None)

    @override
    def reader(self, signature: ServingSignature) -> Reader:
        tensors, parts = TensorReader(signature), _parts(len(signature.fields) + MOST_MORE)

        def read(content: bytes) -> ReadRequest:
            request = message_of(InferRequest, content, parts=parts)
            for what, n, most in (
                ("inputs", len(request.inputs), len(signature.fields) + MOST_MORE),
                ("outputs", len(request.outputs), MOST_MORE),
            ):
                if n > most:
                    raise CallerFaultError(f"The request has {n:,} {what}; at most {most:,} are read.")
            wanted = [WantedOutput(each.name, _given(each.parameters)) for each in request.outputs]
            form = form_of(wanted, _given(request.parameters), signature)
            inputs, decoders = self._inputs(request)
            raw = request.raw_input_contents
            binary = _raw_by_name(inputs, raw) if raw else {}
            form = form._replace(is_binary=bool(raw))
            if not raw and not decoders and (row := tensors.one_row(inputs)) is not None:
                return ReadRequest(row, request.id, form)
            return ReadRequest(tensors.rows(inputs, binary, decoders), request.id, form)

        return read

    def _inputs(self, request: Any) -> tuple[list[Tensor], dict[str, Decode]]:
        """Read the tensors, and what decodes those whose texts stand for other values."""
        is_raw = bool(request.raw_input_contents)
        inputs, decoders = [], {}
        for given in request.inputs:
            check_size(given.name, given.shape, _n_values(given), self._most_rows)
            tensor = Tensor(given.name, list(given.shape), given.datatype, None if is_raw else _values(given))
            if given.parameters:
                asked = read_parameters(_given(given.parameters), InputParameters, f"{tensor.name}.{PARAMETERS}")
                if decode := decoder_for(tensor, asked):
                    decoders[tensor.name] = decode
            if is_raw and given.HasField("contents") and given.contents.ListFields():
                raise CallerFaultError("has contents beside raw_input_contents; give one of them", field=tensor.name)
            inputs.append(tensor)
        return inputs, decoders

    @override
    def require(self, asked: ReadRequest, conformal: Conformal | None) -> None:
        require_level(asked.form.level, conformal, field=f"{PARAMETERS}.{INTERVAL}")

    @override
    def reply(self, asked: ReadRequest, answered: Answered) -> bytes:
        outputs, level = outputs_of(asked.form, answered)
        response = InferResponse(model_name=answered.model, model_version=answered.version, id=answered.request_id)
        if level is not None:
            response.parameters[INTERVAL].double_param = level
        for made in outputs:
            output = response.outputs.add(name=made.name, datatype=made.datatype, shape=made.shape)
            for name, text in made.parameters.items():
                output.parameters[name].string_param = text
            if asked.form.is_binary:
                response.raw_output_contents.append(made.packed())
            elif made.datatype == "FP64":
                output.contents.fp64_contents.extend(made.data)
            else:
                output.contents.bytes_contents.extend(text.encode() for text in made.data)
        content: bytes = response.SerializeToString()
        return content


def _parts(most: int) -> CountedParts:
    """Return what a request may hold of each part, by its number in the message."""
    of_input, of_output = (
        CountedPart(f"{{n}} parameters of an {name}", _MOST_PARAMETERS) for name in ("input", "output")
    )
    return {
        4: CountedPart("{n} parameters", MOST_MORE),
        5: CountedPart("{n} inputs", most, ((4, of_input),)),
        6: CountedPart("{n} outputs", MOST_MORE, ((2, of_output),)),
        7: CountedPart("{n} raw_input_contents", most),
    }


def _given(parameters: Any) -> dict[str, Any]:
    """Return the values of a map of parameters."""
    return {name: getattr(given, place) for name, given in parameters.items() if (place := given.WhichOneof(CHOICE))}


def _n_values(given: Any) -> int:
    place = _PLACES.get(given.datatype)
    return 0 if place is None else len(getattr(given.contents, place))


def _values(given: Any) -> list[Any]:
    place = _PLACES.get(given.datatype)
    for found, _ in given.contents.ListFields():
        if found.name != place:
            expected = place or "raw_input_contents, the only form of this datatype"
            raise CallerFaultError(f"has its values in {found.name}; its datatype is in {expected}", field=given.name)
    if place is None:
        return []
    values = getattr(given.contents, place)
    if place == "bytes_contents":
        try:
            return [text.decode() for text in values]
        except UnicodeDecodeError:
            raise CallerFaultError("holds a text that is not UTF-8", field=given.name) from None
    if place.startswith("fp"):
        return [None if value != value else value for value in values]
    return list(values)


def _raw_by_name(inputs: list[Tensor], raw: Any) -> dict[str, bytes]:
    if len(raw) != len(inputs):
        raise CallerFaultError(f"The request has {len(inputs)} inputs, and raw_input_contents for {len(raw)}.")
    return {tensor.name: content for tensor, content in zip(inputs, raw, strict=True)}
