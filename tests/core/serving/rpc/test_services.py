"""The services over gRPC give the answers of HTTP, by the same rules."""

import json
import subprocess
import sys

import grpc
import numpy as np
import pytest

from core.client import Client, RejectedError, UnknownModelError
from core.client.tf_messages import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
)
from core.domains.bonds.domain import MODEL_NAMES
from core.serving.access import Role
from core.serving.rpc.calls import address_of
from core.serving.rpc.inference_messages import (
    Flag,
    HealthRequest,
    HealthResponse,
    Index,
    IndexRequest,
    InferRequest,
    InferResponse,
    ModelMetadata,
    ModelNamed,
    ServerMetadata,
)
from tests.core.client.timeouts import PATIENT
from tests.core.serving.rpc.asking import (
    HEALTH,
    PREDICT,
    TF,
    V2,
    Caller,
    tf_request,
    tf_values,
    v2_request,
    without_missing_texts,
)

Code = grpc.StatusCode


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_the_same_rows_get_the_same_answers_over_http_and_grpc(both, caller, rows_of, model):
    for rows in (rows_of(model, 1), rows_of(model, 100)):
        expected = both.ask(f"/v1/models/{model}:predict", {"instances": rows}).json["predictions"]
        infer = InferResponse.FromString(caller.ask(V2 + "ModelInfer", v2_request(model, rows)).content)
        assert list(infer.outputs[0].contents.fp64_contents) == expected
        assert (infer.model_name, infer.model_version, list(infer.outputs[0].shape)) == (model, "1.0.0", [len(rows)])
    full = without_missing_texts(rows)
    assert (
        caller.predict(model, full) == both.ask(f"/v1/models/{model}:predict", {"instances": full}).json["predictions"]
    )


def test_our_own_client_reads_our_own_server(both, rpc_port, rows_of):
    rows = rows_of("spread")
    with Client(f"grpc://127.0.0.1:{rpc_port}", timeouts=PATIENT) as client:
        expected = both.ask("/api/v1/predict/spread", {"rows": rows}).json["predictions"]
        answer = client.predict("spread", rows, request_id="trade-4711")
        assert (answer.values, answer.version, answer.request_id) == (expected, "1.0.0", "trade-4711")
        staged = client.predict("spread", rows, label="staging")
        assert staged.version == client.predict("spread", rows, version="1.1.0").version == "1.1.0"
        assert staged.values == client.predict("spread", rows, version="1000001000000").values != expected
        described = both.ask("/v1/models/spread/metadata").json["metadata"]["signature_def"]["signature_def"]
        inputs = {one.name: one.type for one in client.metadata("spread").inputs}
        assert inputs == {name: one["dtype"] for name, one in described["serving_default"]["inputs"].items()}
        states = {one.version: one.state for one in client.versions("spread")}
        assert states == {"1000000000000": "AVAILABLE", "1000001000000": "AVAILABLE"}
        assert client.health().ready
        assert client.health("spread").ready
        assert not client.health("nobody").ready
        with pytest.raises(UnknownModelError, match="Choose from"):
            client.predict("nobody", rows)
        with pytest.raises(RejectedError, match="sector is missing"):
            client.predict("spread", {name: value for name, value in rows[0].items() if name != "sector"})


def test_several_rows_are_answered_in_the_field_that_every_client_of_tensorflow_reads(caller, rows_of):
    rows = rows_of("spread", 3)
    heard = caller.ask(PREDICT, tf_request("spread", rows))
    (output,) = PredictResponse.FromString(heard.content).outputs.values()
    assert (len(output.double_val), output.tensor_content) == (3, b"")
    assert [dim.size for dim in output.tensor_shape.dim] == [3]


def test_raw_tensors_are_answered_with_raw_tensors(both, caller, rows_of):
    rows = rows_of("spread")
    expected = both.ask("/api/v1/predict/spread", {"rows": rows}).json["predictions"]
    request = InferRequest.FromString(v2_request("spread", rows, id="from-raw"))
    for tensor in request.inputs:
        contents = tensor.contents
        if tensor.datatype == "BYTES":
            texts = list(contents.bytes_contents)
            raw = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
        else:
            kind = {"FP64": "<f8", "INT64": "<i8", "BOOL": "u1"}[tensor.datatype]
            ((_, values),) = contents.ListFields()
            raw = np.array(list(values), kind).tobytes()
        request.raw_input_contents.append(raw)
        tensor.ClearField("contents")
    heard = caller.ask(V2 + "ModelInfer", request.SerializeToString(), x_request_id="of-a-proxy")
    response = InferResponse.FromString(heard.content)
    assert np.frombuffer(response.raw_output_contents[0]).tolist() == expected
    assert (response.id, heard.fields["x-request-id"]) == ("from-raw", "from-raw")


def test_metadata_and_states_name_versions_by_number(caller):
    request = GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "spread"
    answer = GetModelMetadataResponse.FromString(
        caller.ask(f"{TF}PredictionService/GetModelMetadata", request.SerializeToString()).content
    )
    assert answer.model_spec.version.value == 1_000_000_000_000
    packed = answer.metadata["signature_def"]
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    definition = SignatureDefMap.FromString(packed.value).signature_def["serving_default"]
    assert definition.method_name == "tensorflow/serving/predict"
    assert [dim.size for dim in definition.outputs["prediction"].tensor_shape.dim] == [-1]
    status = GetModelStatusRequest()
    status.model_spec.name, status.model_spec.version_label = "spread", "staging"
    heard = caller.ask(f"{TF}ModelService/GetModelStatus", status.SerializeToString())
    (found,) = GetModelStatusResponse.FromString(heard.content).model_version_status
    assert (found.version, found.state, found.status.error_code) == (1_000_001_000_000, 30, 0)


def test_open_inference_describes_server_and_models(both, caller):
    described = both.ask("/v2/models/spread").json
    found = ModelMetadata.FromString(
        caller.ask(V2 + "ModelMetadata", ModelNamed(name="spread").SerializeToString()).content
    )
    assert list(found.versions) == described["versions"]
    assert [(one.name, one.datatype, list(one.shape)) for one in found.inputs] == [
        (one["name"], one["datatype"], one["shape"]) for one in described["inputs"]
    ]
    for method in ("ServerLive", "ServerReady"):
        assert Flag.FromString(caller.ask(V2 + method).content).value
    ready = ModelNamed(name="spread", version="@challenger").SerializeToString()
    assert Flag.FromString(caller.ask(V2 + "ModelReady", ready).content).value
    server = ServerMetadata.FromString(caller.ask(V2 + "ServerMetadata").content)
    assert (server.name, server.version) == ("bondx", both.ask("/v2").json["version"])
    index = Index.FromString(caller.ask(V2 + "RepositoryIndex", IndexRequest(ready=True).SerializeToString()).content)
    assert [(one.name, one.version, one.state) for one in index.models] == [
        (one["name"], one["version"], one["state"]) for one in both.ask("/v2/repository/index", {"ready": True}).json
    ]
    refused = caller.ask(V2 + "RepositoryModelLoad")
    assert (refused.code, "registry decides" in refused.said) == (Code.INVALID_ARGUMENT, True)


def test_health_is_readiness_by_service(caller):
    for service in ("", "liveness", "readiness", "inference.GRPCInferenceService", "tensorflow.serving.ModelService"):
        heard = caller.ask(HEALTH, HealthRequest(service=service).SerializeToString())
        assert HealthResponse.FromString(heard.content).status == 1, service
    assert caller.ask(HEALTH, HealthRequest(service="no.such").SerializeToString()).code is Code.NOT_FOUND
    assert caller.ask("/grpc.health.v1.Health/Watch").code is Code.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("method", "content", "code", "said"),
    [
        (PREDICT, tf_request("nobody", [{"a": 1.0}]), Code.NOT_FOUND, "There is no model 'nobody'"),
        (PREDICT, tf_request("spread", [{"a": 1.0}], version_label="no"), Code.NOT_FOUND, "There is no label 'no'"),
        (PREDICT, b"", Code.INVALID_ARGUMENT, "names no model"),
        (PREDICT, tf_request("spread", [{"a": 1.0}], signature_name="x"), Code.INVALID_ARGUMENT, "only signature"),
        (PREDICT, tf_request("spread", [{"vix": "high"}]), Code.INVALID_ARGUMENT, "vix has the dtype DT_STRING"),
        (V2 + "ModelInfer", b"", Code.INVALID_ARGUMENT, "names no model"),
        (V2 + "ModelInfer", v2_request("spread", [{"arena": 1}]), Code.INVALID_ARGUMENT, "not a tensor of the model"),
        (V2 + "ModelInfer", v2_request("spread", [{"vix": 1}], model_version="9.9.9"), Code.NOT_FOUND, "version of"),
        (f"{TF}PredictionService/Classify", b"", Code.UNIMPLEMENTED, "use Predict"),
        (f"{TF}PredictionService/Regress", b"", Code.UNIMPLEMENTED, "use Predict"),
        (f"{TF}ModelService/HandleReloadConfigRequest", b"", Code.UNIMPLEMENTED, "registry decides"),
        (f"{TF}PredictionService/GetModelMetadata", b"", Code.INVALID_ARGUMENT, "the only metadata is signature_def"),
        ("/no.such/Method", b"", Code.UNIMPLEMENTED, ""),
    ],
)
def test_a_refusal_has_a_code_and_a_sentence(caller, method, content, code, said):
    heard = caller.ask(method, content)
    assert (heard.code, said in heard.said) == (code, True), heard


def test_tokens_and_proxies_count_as_over_http(both, caller, rpc_port, tokens, rows_of):
    rows = rows_of("spread", 1)
    with_token, wrong = Caller(rpc_port, tokens[Role.VIEWER]), Caller(rpc_port, "bondx_guess")
    assert with_token.predict("spread", rows) == caller.predict("spread", rows)
    request = tf_request("spread", rows)
    assert wrong.ask(PREDICT, request).code is Code.UNAUTHENTICATED
    heard = caller.ask(PREDICT, request, x_forwarded_for="10.0.0.7")
    assert (heard.code, "A token is required" in heard.said) == (Code.UNAUTHENTICATED, True)
    assert wrong.ask(V2 + "RepositoryIndex").code is Code.UNAUTHENTICATED
    assert wrong.ask(V2 + "ServerReady").code is Code.OK  # a probe carries no token
    for each in (with_token, wrong):
        each.close()


def test_answers_and_refusals_are_counted_beside_those_of_http(both, caller, rows_of):
    def counted():
        lines = both.ask("/metrics").body.decode().splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        answered = values['bondx_predict_seconds_count{model="spread",version="1.0.0"}']
        refused = values.get('bondx_predict_refused_total{dialect="tf_serving_grpc",status="400"}', "0")
        return float(answered), float(refused)

    before = counted()
    caller.predict("spread", rows_of("spread", 1))
    assert caller.ask(PREDICT, tf_request("spread", [{"vix": 1.0}])).code is Code.INVALID_ARGUMENT
    after = counted()
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)


def test_every_answer_returns_the_id_of_its_request(caller, rows_of):
    request = tf_request("spread", rows_of("spread", 1))
    heard = caller.ask(PREDICT, request, x_request_id="trade-4711")
    assert heard.fields["x-request-id"] == "trade-4711"
    assert (heard.fields["x-bondx-model"], heard.fields["x-bondx-version"]) == ("spread", "1.0.0")
    assert caller.ask(PREDICT, request).fields["x-request-id"]
    assert caller.ask(PREDICT, b"", x_request_id="trade-4712").fields["x-request-id"] == "trade-4712"
    assert caller.ask(PREDICT, request, x_request_id="x" * 200).code is Code.INVALID_ARGUMENT


def test_inputs_that_the_model_does_not_read_are_ignored_as_over_rest(caller, rows_of):
    (row,) = rows_of("spread", 1)
    request = PredictRequest.FromString(tf_request("spread", [row]))
    request.inputs["of another program"].dtype = 21  # DT_VARIANT
    assert tf_values(caller.ask(PREDICT, request.SerializeToString()).content) == caller.predict("spread", [row])


def test_addresses_are_read_as_grpc_writes_them():
    assert address_of("ipv6:[::1]:80") == ("::1", 80)
    assert address_of("ipv4:10.0.0.7") is None


def test_outcomes_are_reported_under_the_ids_of_grpc_requests(both, caller, tokens, rows_of):
    caller.predict("spread", rows_of("spread", 1), x_request_id="grpc-with-outcome")
    body = json.dumps({"outcomes": [{"request_id": "grpc-with-outcome", "actual": 90.0}]}).encode()
    headers = {"authorization": f"Bearer {tokens[Role.VIEWER]}"}

    def is_known():
        found = both.ask("/api/v1/outcomes", body, headers=headers).json
        return found["n_matched"] == 1 or found["n_repeated"] == 1

    both.until(is_known, "a stored prediction")


def test_nothing_of_grpc_is_loaded_by_a_server_without_it(served):
    script = (
        "import sys; from pathlib import Path; import console.commands.serve\n"
        "from core.serving.server import Server; from core.state import Workspace\n"
        "Server(Workspace.open(Path(sys.argv[1])), '127.0.0.1', 0).stop()\n"
        "assert not {'grpc', 'google.protobuf'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(served.root)], check=True)
