"""Risk scores over the wire: our server with a trained model, and peers that speak TensorFlow Serving."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import orjson
import pytest

from bondx.ml import ETRMModelClient, TensorFlowServingClient
from core.client import BrokenAnswerError, RejectedError
from core.client.tf_messages import GetModelMetadataResponse, PredictRequest, PredictResponse, SignatureDefMap
from core.client.tf_tensors import from_tensor, to_tensor
from tests.core.client.timeouts import PATIENT

DEAL = {"volume": 1000.0, "price": 75.5, "volatility": 0.25}


def rest(answer, asked):
    def peer(request):
        asked.append((request.url.path, orjson.loads(request.content)))
        return httpx.Response(200, json={"predictions": answer})

    return TensorFlowServingClient(transport=httpx.MockTransport(peer))


@pytest.mark.parametrize("answer", [[0.62], [[0.62]], [{"score": [0.62]}]], ids=["a number", "a column", "by name"])
def test_any_server_of_tensorflows_rest_is_asked(answer):
    asked = []
    with rest(answer, asked) as client:
        assert ETRMModelClient(client).predict_risk_score(DEAL) == {"risk_score": 0.62, "risk_level": "high"}
        assert ETRMModelClient(client).predict_breach(DEAL) == {"breach_probability": 0.62}
    assert asked == [(f"/v1/models/etrm_{name}:predict", {"instances": [DEAL]}) for name in ("risk", "breach")]


@pytest.mark.parametrize("answer", [[1.7], ["much"], [True]])
def test_an_answer_that_is_no_score_is_refused(answer):
    with rest(answer, []) as client, pytest.raises(BrokenAnswerError, match="no number from 0 to 1"):
        ETRMModelClient(client).predict_risk_score(DEAL)


def test_no_features_are_refused():
    with rest([0.5], []) as client, pytest.raises(RejectedError, match="no features"):
        ETRMModelClient(client).predict_risk_score({})


class Peer(grpc.GenericRpcHandler):
    """A model that declares three inputs, and answers with a thousandth of the volume's square root."""

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(getattr(self, details.method.rpartition("/")[2]))

    def GetModelMetadata(self, content, context):  # noqa: N802 - a method of the protocol
        signatures = SignatureDefMap()
        for name in DEAL:
            signatures.signature_def["serving_default"].inputs[name].dtype = 1
            signatures.signature_def["serving_default"].inputs[name].tensor_shape.dim.add(size=-1)
        answer = GetModelMetadataResponse()
        answer.metadata["signature_def"].value = signatures.SerializeToString()
        return answer.SerializeToString()

    def Predict(self, content, context):  # noqa: N802 - a method of the protocol
        request = PredictRequest.FromString(content)
        answer = PredictResponse()
        score = from_tensor(request.inputs["volume"])[0] / 10_000
        answer.outputs["score"].CopyFrom(to_tensor("score", [score], "DT_FLOAT", (1, 1)))
        return answer.SerializeToString()


def test_a_server_of_tensorflows_grpc_is_asked():
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Peer()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with TensorFlowServingClient(f"grpc://127.0.0.1:{port}", timeouts=PATIENT) as client:
            found = ETRMModelClient(client).predict_risk_score(DEAL)
    finally:
        server.stop(None).wait()
    assert found == {"risk_score": pytest.approx(0.1), "risk_level": "low"}
