"""A model of language over gRPC: its metadata is that of HTTP, and calls for rows name the path of texts."""

import grpc
import pytest

from core.client import Client
from core.client.tf_messages import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    SignatureDefMap,
)
from core.serving.rpc.inference_messages import Flag, Index, IndexRequest, ModelMetadata, ModelNamed
from core.state import Workspace
from tests.core.client.timeouts import PATIENT
from tests.core.serving.completions.conftest import made_live
from tests.core.serving.completions.test_text_rollouts import RULES
from tests.core.serving.rpc.asking import PREDICT, TF, V2, Caller, tf_request, v2_request
from tests.processes import free_port


@pytest.fixture(scope="module")
def both(folders, tmp_path_factory, running):
    root, port = tmp_path_factory.mktemp("home") / "workspace", free_port()
    workspace = Workspace.create(root, settings_text=RULES)
    made_live(root, folders[0], "1.0.0")
    with running(workspace, "--grpc-port", str(port)) as server:
        server.until(lambda: server.ask("/ready").status == 200, "the model")
        caller = Caller(port)
        yield server, caller, port
        caller.close()


def test_metadata_over_grpc_is_that_of_http(both):
    server, caller, port = both
    named = ModelNamed(name="prose").SerializeToString()
    described, found = (
        server.ask("/v2/models/prose").json,
        ModelMetadata.FromString(caller.ask(V2 + "ModelMetadata", named).content),
    )
    assert (found.name, list(found.versions), found.platform) == ("prose", ["1.0.0"], "bondx")
    for tensors, of in ((found.inputs, described["inputs"]), (found.outputs, described["outputs"])):
        for one, expected in zip(tensors, of, strict=True):
            assert (one.name, one.datatype, list(one.shape)) == tuple(
                expected[key] for key in ("name", "datatype", "shape")
            )
            parameters = {name: value.string_param for name, value in one.parameters.items()}
            assert parameters == expected.get("parameters", {})
    assert [(one.name, one.datatype) for one in found.inputs] == [("prompt", "BYTES")]
    assert found.outputs[0].parameters["path"].string_param == "/api/v1/generate/prose"
    assert Flag.FromString(caller.ask(V2 + "ModelReady", named).content).value
    index = Index.FromString(caller.ask(V2 + "RepositoryIndex", IndexRequest(ready=True).SerializeToString()).content)
    assert [(one.name, one.version, one.state) for one in index.models] == [("prose", "1.0.0", "READY")]

    request = GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "prose"
    heard = caller.ask(f"{TF}PredictionService/GetModelMetadata", request.SerializeToString())
    packed = GetModelMetadataResponse.FromString(heard.content).metadata["signature_def"]
    definition = SignatureDefMap.FromString(packed.value).signature_def["serving_default"]
    http = server.ask("/v1/models/prose/metadata").json["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert definition.method_name == http["method_name"] == "bondx/generate"
    assert {name: one.dtype for name, one in definition.inputs.items()} == {"prompt": 7}
    assert {name: one.dtype for name, one in definition.outputs.items()} == {"text": 7}
    status = GetModelStatusRequest()
    status.model_spec.name = "prose"
    heard = caller.ask(f"{TF}ModelService/GetModelStatus", status.SerializeToString())
    (state,) = GetModelStatusResponse.FromString(heard.content).model_version_status
    assert (state.version, state.state) == (1_000_000_000_000, 30)
    with Client(f"grpc://127.0.0.1:{port}", timeouts=PATIENT) as client:
        assert [one.name for one in client.metadata("prose").inputs] == ["prompt"]
        assert client.health("prose").ready


@pytest.mark.parametrize("method", [PREDICT, V2 + "ModelInfer"])
def test_a_call_for_rows_names_the_path_of_texts(both, method):
    _, caller, _ = both
    content = (tf_request if method == PREDICT else v2_request)("prose", [{"prompt": "Risk note"}])
    heard = caller.ask(method, content)
    assert heard.code is grpc.StatusCode.INVALID_ARGUMENT
    assert heard.said.endswith("Texts are at POST /api/v1/generate/MODEL and /v1/completions.")
