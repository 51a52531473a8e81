"""TensorFlow Serving's services: predictions, descriptions of models, and the states of their versions.

Source: tensorflow_serving/apis/{prediction_service,model_service,get_model_metadata,get_model_status}.proto
"""

from collections.abc import Callable
from typing import Any, NoReturn

from core.client.tf_messages import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    SignatureDefMap,
)
from core.escape import shown
from core.serving.dialects.dialect import State, loaded, not_loaded
from core.serving.dialects.tf_serving import SIGNATURE, method_of
from core.serving.errors import BadRequestError, UnavailableError, WrongMethodError
from core.serving.predict import Predictor
from core.serving.rpc.calls import Method, RpcAnswer, RpcCall, Services
from core.serving.rpc.predicting import predict_method, small_message_of
from core.serving.rpc.tf_predict import DOUBLE, TfPredict, fill_spec, which
from core.serving.signature import ServingSignature
from core.serving.table import ServedModel
from core.tf_versions import number_of

_STATES = {State.RESTING: 10, State.LOADING: 20, State.LOADED: 30, State.FAILED: 50}
_UNKNOWN_ERROR = 2
_DTYPES = {"float": DOUBLE, "int": 9, "bool": 10}
_STRING = 7
_SIGNATURES = "signature_def"
_QUOTED = 8


def tf_services(predictor: Predictor) -> Services:
    """Return the services."""

    def metadata(_call: RpcCall, content: bytes) -> RpcAnswer:
        request = small_message_of(GetModelMetadataRequest, content)
        if list(request.metadata_field) != [_SIGNATURES]:
            asked = ", ".join(map(shown, request.metadata_field[:_QUOTED])) or "empty"
            asked += ", …" if len(request.metadata_field) > _QUOTED else ""
            raise BadRequestError(f"is {asked}; the only metadata is {_SIGNATURES}", field="metadata_field")
        served, version = _named(predictor, request.model_spec)
        found = loaded(served, version)
        if found is None:
            raise UnavailableError(not_loaded(served, version)[1]["error"])
        response = GetModelMetadataResponse()
        fill_spec(response.model_spec, served.model, found.version)
        packed = response.metadata[_SIGNATURES]
        packed.type_url = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
        packed.value = _signatures(found.signature).SerializeToString()
        return RpcAnswer(response.SerializeToString())

    def status(_call: RpcCall, content: bytes) -> RpcAnswer:
        served, version = _named(predictor, small_message_of(GetModelStatusRequest, content).model_spec)
        response = GetModelStatusResponse()
        for each in served.registered if version is None else (version,):
            state, number = served.state(each), number_of(each)
            if number is None or (version is None and state is State.RESTING):
                continue
            added = response.model_version_status.add(version=number, state=_STATES[state])
            if state is State.FAILED:
                added.status.error_code, added.status.error_message = _UNKNOWN_ERROR, served.failures[each]
        return RpcAnswer(response.SerializeToString())

    exact = "answers 32-bit numbers to tf.Example: use Predict, which answers the numbers of the model"
    return {
        "tensorflow.serving.PredictionService": {
            "Predict": predict_method(predictor, TfPredict(predictor.limits.rows)),
            "GetModelMetadata": Method(metadata),
            "Classify": Method(_refusing(f"Classify {exact}.")),
            "Regress": Method(_refusing(f"Regress {exact}.")),
            "MultiInference": Method(_refusing(f"MultiInference {exact}.")),
        },
        "tensorflow.serving.ModelService": {
            "GetModelStatus": Method(status),
            "HandleReloadConfigRequest": Method(
                _refusing("The registry decides which versions are served: promote a version (bondx registry promote).")
            ),
        },
    }


def _refusing(sentence: str) -> Callable[[RpcCall, bytes], RpcAnswer]:
    def refuse(_call: RpcCall, _content: bytes) -> NoReturn:
        raise WrongMethodError(sentence)

    return refuse


def _named(predictor: Predictor, spec: Any) -> tuple[ServedModel, str | None]:
    """Find the model that a request names, and the version if it names one."""
    model, version, label = which(spec)
    served = predictor.table.model(model)
    if label is not None:
        return served, served.labelled(label)
    return served, None if version is None else served.known(version)


def _signatures(signature: ServingSignature) -> Any:
    """Describe the only signature."""
    found = SignatureDefMap()
    definition = found.signature_def[SIGNATURE]
    definition.method_name = method_of(signature)
    kind = _STRING if signature.writes_texts else DOUBLE
    for field in signature.fields:
        _describe(definition.inputs[field.name], field.name, _DTYPES.get(field.kind, _STRING), [-1])
    _describe(definition.outputs[signature.output], signature.output, kind, signature.output_shape)
    return found


def _describe(tensor: Any, name: str, dtype: int, shape: list[int]) -> None:
    tensor.name, tensor.dtype = name, dtype
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
