"""The protocols as their own specifications say, over HTTP, with a model of three classes."""

import base64
import json
import shutil
import struct

import pytest

from core.client import Client
from core.registry import Registry
from core.serving import Server
from core.settings import PromotionSettings, Settings
from core.state import Workspace
from core.training.own_data import TrainRequest, train_on_file
from tests.core.client.timeouts import PATIENT
from tests.core.serving.conftest import ANA, RunningServer, register
from tests.waiting import until

MODEL = "animal"
CLASSES = ["cat", "dog", "owl"]
ROW = {"size": 30.5, "legs": 4, "food": "meat"}
TENSORS = [
    {"name": "size", "shape": [1], "datatype": "FP64", "data": [30.5]},
    {"name": "legs", "shape": [1], "datatype": "INT64", "data": [4]},
    {"name": "food", "shape": [1], "datatype": "BYTES", "data": ["meat"]},
]


def animal(n: int) -> str:
    kind = CLASSES[n % 3]
    return f"{20 + 10 * (n % 3) + n % 7 + 0.5},{2 if kind == 'owl' else 4},{('meat', 'all')[n % 2]},{kind}\n"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with a model of three classes in Production, and one more version that is not loaded."""
    folder = tmp_path_factory.mktemp("protocols")
    workspace = Workspace.create(folder / "workspace", settings_text="policy: {promotion: {min_accuracy: 0}}\n")
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    data = folder / "animals.csv"
    data.write_text("size,legs,food,kind\n" + "".join(map(animal, range(240))))
    train_on_file(workspace, TrainRequest(MODEL, data, target="kind"), Settings(), actor=ANA)
    copy = shutil.copytree(registry.load_path(MODEL, "1.0.0"), folder / "copy")
    for name in ("MANIFEST.json", "registration.json"):
        (copy / name).unlink()
    register(workspace, MODEL, copy)
    for _ in range(2):
        registry.apply(registry.plan_promotion(MODEL, "1.0.0"), actor=ANA)
    registry.apply(registry.plan_archive(MODEL, registry.versions(MODEL)[-1].version), actor=ANA)
    return workspace


@pytest.fixture(scope="module")
def server(workspace):
    running = Server(workspace, "127.0.0.1", 0)
    running.start()
    until(lambda: running.table.is_complete, "a server that is ready")
    asking = RunningServer(None, int(running.url.rpartition(":")[2]))  # type: ignore[arg-type]
    yield asking
    asking.connection.close()
    running.stop()


@pytest.fixture(scope="module")
def expected(server):
    return server.ask(f"/api/v1/predict/{MODEL}", {"row": ROW}).json["prediction"]


def infer(server, body, **headers):
    return server.ask(f"/v2/models/{MODEL}/infer", body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def framed(**more):
    """Return the body of Triton's client, and the length of its JSON object."""
    parts = [struct.pack("<d", 30.5), struct.pack("<q", 4), struct.pack("<I", 4) + b"meat"]
    inputs = [
        {key: value for key, value in tensor.items() if key != "data"} | {"parameters": {"binary_data_size": len(part)}}
        for tensor, part in zip(TENSORS, parts, strict=True)
    ]
    head = json.dumps({"inputs": inputs, **more}).encode()
    return head + b"".join(parts), str(len(head))


class TestClasses:
    def test_are_named_in_rows(self, server):
        answer = server.ask(f"/api/v1/predict/{MODEL}", {"rows": [ROW, ROW]}).json
        assert answer["classes"] == CLASSES
        assert [len(row) for row in answer["predictions"]] == [3, 3]

    def test_are_named_in_v2(self, server):
        (output,) = infer(server, {"inputs": TENSORS}).json["outputs"]
        assert (output["shape"], json.loads(output["parameters"]["classes"])) == ([1, 3], CLASSES)
        (told,) = server.ask(f"/v2/models/{MODEL}").json["outputs"]
        assert (told["shape"], json.loads(told["parameters"]["classes"])) == ([-1, 3], CLASSES)

    @pytest.mark.parametrize("dialect", ["rows", "v2"])
    def test_are_read_by_the_client(self, server, dialect):
        with Client(f"http://127.0.0.1:{server.port}", dialect, timeouts=PATIENT) as client:
            assert client.predict(MODEL, ROW).classes == tuple(CLASSES)

    def test_are_named_in_the_metadata_of_tensorflow_serving(self, server):
        metadata = server.ask(f"/v1/models/{MODEL}/metadata").json["metadata"]
        assert metadata["classes"]["value"] == CLASSES
        signature = metadata["signature_def"]["signature_def"]["serving_default"]
        sizes = [dim["size"] for dim in signature["outputs"]["prediction"]["tensor_shape"]["dim"]]
        assert sizes == ["-1", "3"]

    def test_are_named_by_the_control_api_for_any_version(self, server, workspace):
        for version in Registry(workspace).versions(MODEL):
            found = server.ask(f"/api/v1/models/{MODEL}/versions/{version.version}/signature").json
            assert (found["classes"], found["shape"]) == (CLASSES, [-1, 3])
            assert [field["name"] for field in found["fields"]] == ["size", "legs", "food"]

    def test_the_likeliest_are_answered_on_request(self, server, expected):
        wanted = [{"name": "prediction", "parameters": {"classification": 1}}]
        (output,) = infer(server, {"inputs": TENSORS, "outputs": wanted}).json["outputs"]
        best = max(range(3), key=expected.__getitem__)
        assert output["data"] == [f"{expected[best]:f}:{best}:{CLASSES[best]}"]


class TestIds:
    def test_the_own_id_of_a_request_is_answered_beside_a_proxys_header(self, server):
        answer = infer(server, {"id": "mine", "inputs": TENSORS}, x_request_id="of-the-proxy")
        assert answer.json["id"] == answer.headers["x-request-id"] == "mine"

    def test_without_one_the_header_identifies_the_request(self, server):
        answer = infer(server, {"inputs": TENSORS}, x_request_id="of-the-proxy")
        assert answer.json["id"] == answer.headers["x-request-id"] == "of-the-proxy"

    def test_in_rows_too(self, server):
        headers = {"x-request-id": "of-the-proxy"}
        answer = server.ask(f"/api/v1/predict/{MODEL}", {"row": ROW, "request_id": "mine"}, headers=headers)
        assert answer.json["request_id"] == "mine"


class TestBinaryTensors:
    @pytest.mark.parametrize("path", ["fast", "slow"])
    def test_go_both_ways(self, server, expected, path):
        body, length = framed(id="b-1", parameters={"binary_data_output": True})
        headers = {"inference-header-content-length": length, "content-type": "application/octet-stream"}
        headers |= {"expect": ""} if path == "slow" else {}  # the fast path declines it
        answer = server.ask(f"/v2/models/{MODEL}/infer", body, headers=headers)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/octet-stream"), answer.body
        n_json = int(answer.headers["inference-header-content-length"])
        (output,) = json.loads(answer.body[:n_json])["outputs"]
        assert output["parameters"]["binary_data_size"] == 24
        assert struct.unpack("<3d", answer.body[n_json:]) == tuple(expected)
        assert answer.headers["x-bondx-model"] == MODEL

    def test_may_be_answered_in_json(self, server, expected):
        body, length = framed()
        answer = infer(server, body, inference_header_content_length=length)
        assert answer.json["outputs"][0]["data"] == expected

    def test_that_are_cut_are_refused_in_json(self, server):
        body, length = framed()
        answer = infer(server, body[:-1], inference_header_content_length=length)
        assert (answer.status, answer.json["field"]) == (400, "food")

    def test_are_announced(self, server):
        assert {"binary_tensor_data", "classification"} <= set(server.ask("/v2").json["extensions"])


class TestParametersThatChangeTheMeaning:
    @pytest.mark.parametrize(
        ("parameters", "sentence"),
        [
            (
                {"shared_memory_region": "a", "shared_memory_byte_size": 8},
                "asks for shared memory, which is not supported",
            ),
            ({"content_type": "hf"}, "has the content_type 'hf'; it must be one of np, pd, str, datetime"),
        ],
        ids=["shared memory", "another codec"],
    )
    def test_are_refused_on_inputs_and_outputs(self, server, parameters, sentence):
        first = TENSORS[0] | {"parameters": parameters}
        output = {"name": server.ask(f"/v2/models/{MODEL}").json["outputs"][0]["name"], "parameters": parameters}
        for body in ({"inputs": [first, *TENSORS[1:]]}, {"inputs": TENSORS, "outputs": [output]}):
            answer = server.ask(f"/v2/models/{MODEL}/infer", body)
            assert answer.status == 400
            assert sentence in answer.json["error"]

    def test_are_refused_on_the_request(self, server):
        body = {"inputs": TENSORS, "parameters": {"content_type": "base64"}}
        assert "content_type 'base64'" in server.ask(f"/v2/models/{MODEL}/infer", body).json["error"]
        assert server.ask(f"/v2/models/{MODEL}/infer", body | {"parameters": {"content_type": "pd"}}).status == 200


class TestContentTypesOfMlserver:
    """Texts that stand for other values, as MLServer's codecs write them."""

    def inputs(self, content_type, food, size=None):
        tensor = {"name": "food", "shape": [1, 1], "datatype": "BYTES", "parameters": {"content_type": content_type}}
        first = TENSORS[0] if size is None else tensor | {"name": "size", "data": [size]}
        return {"inputs": [first, TENSORS[1], tensor | {"data": [food]}]}

    def test_texts_in_base_64_and_values_as_json_are_read(self, server, expected):
        for body in (
            self.inputs("base64", "bWVhdA=="),
            self.inputs("pd_json", '"meat"'),
            self.inputs("pd_json", '"meat"', size="30.5"),
        ):
            answer = infer(server, body)
            assert answer.json["outputs"][0]["data"] == pytest.approx(expected), answer.json

    @pytest.mark.parametrize(
        ("content_type", "food", "sentence"),
        [
            (
                "base64",
                "meat!",
                "The field food has the content_type base64, and holds a value that is not UTF-8 in it",
            ),
            ("base64", "/w==", "not UTF-8"),
            ("pd_json", "meat", "The field food has the content_type pd_json, and holds 'meat', which is not JSON"),
            ("pd_json", "NaN", "The field food expected str, got null"),
            ("pd_json", "[1]", "The field food expected str, got array"),
            ("pd_json", "[" * 100_000, "not JSON"),
        ],
    )
    def test_other_texts_are_refused_by_name(self, server, content_type, food, sentence):
        answer = infer(server, self.inputs(content_type, food))
        assert answer.status == 400
        assert sentence in answer.json["error"]

    def test_numbers_are_not_texts(self, server):
        first = TENSORS[0] | {"parameters": {"content_type": "base64"}}
        answer = infer(server, {"inputs": [first, *TENSORS[1:]]})
        assert "The field size has the content_type base64, which takes BYTES" in answer.json["error"]


class TestTheRepository:
    @pytest.mark.parametrize("body", [b"", b"{}", b'{"ready": false}'], ids=["no body", "empty", "all"])
    def test_lists_every_version(self, server, workspace, body):
        answer = server.ask("/v2/repository/index", body)
        assert {entry["version"] for entry in answer.json} == {v.version for v in Registry(workspace).versions(MODEL)}
        states = {entry["version"]: entry["state"] for entry in answer.json}
        assert states["1.0.0"] == "READY"

    def test_lists_what_is_ready(self, server):
        answer = server.ask("/v2/repository/index", {"ready": True})
        assert {(entry["name"], entry["state"]) for entry in answer.json} == {(MODEL, "READY")}

    def test_refuses_another_form(self, server):
        assert server.ask("/v2/repository/index", {"ready": "yes"}).status == 400
        assert server.ask("/v2/repository/index", b"[" * 100_000).status == 400

    @pytest.mark.parametrize("verb", ["load", "unload"])
    def test_is_not_changed_over_this_protocol(self, server, verb):
        answer = server.ask(f"/v2/repository/models/{MODEL}/{verb}", b"")
        assert (answer.status, "promote a version instead" in answer.json["error"]) == (400, True)
        assert server.ask(f"/v2/repository/models/nobody/{verb}", b"").status == 404

    def test_lists_the_models_as_kserve_does(self, server):
        assert server.ask("/v2/models").json == {"models": [MODEL]}

    def test_accepts_posts_only(self, server):
        answer = server.ask("/v2/repository/index")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")


class TestV1:
    def test_lists_the_models(self, server):
        found = server.ask("/v1/models").json
        assert found == {"models": [MODEL], "model_status": [server.ask(f"/v1/models/{MODEL}").json]}

    def test_tells_whether_a_model_is_ready(self, server, workspace):
        found = server.ask(f"/v1/models/{MODEL}").json
        assert (found["name"], found["ready"]) == (MODEL, True)
        assert {"version": "1.0.0", "state": "AVAILABLE"}.items() <= found["model_version_status"][0].items()

    @pytest.mark.parametrize(
        "instances",
        [
            pytest.param([[30.5, 4, "meat"]], id="in the order of the inputs"),
            pytest.param([ROW | {"food": {"b64": base64.b64encode(b"meat").decode()}}], id="a text in base 64"),
            pytest.param([[30.5, 4, {"b64": "bWVhdA=="}]], id="both"),
        ],
    )
    def test_takes_instances(self, server, expected, instances):
        answer = server.ask(f"/v1/models/{MODEL}:predict", {"instances": instances})
        assert answer.json == {"predictions": [expected]}

    def test_a_field_that_the_model_does_not_read_may_hold_anything(self, server, expected):
        row = ROW | {"image": {"b64": "/w=="}}
        for body in ({"instances": [row]}, {"instances": [row, row]}):
            answer = server.ask(f"/v1/models/{MODEL}:predict", body)
            assert answer.json == {"predictions": [expected] * len(body["instances"])}
        assert server.ask(f"/v1/models/{MODEL}:predict", {"inputs": row}).json == {"outputs": [expected]}

    def test_takes_columns_with_a_text_in_base_64(self, server, expected):
        answer = server.ask(f"/v1/models/{MODEL}:predict", {"inputs": ROW | {"food": [{"b64": "bWVhdA=="}]}})
        assert answer.json == {"outputs": [expected]}

    @pytest.mark.parametrize(
        ("instance", "sentence"),
        [
            ([30.5, 4], "has 2 values; the model takes 3: size, legs, food"),
            (ROW | {"food": {"b64": "!"}}, "b64"),
            (ROW | {"food": {"b64": "/w=="}}, "b64"),
            (ROW | {"food": {"b64": 1}}, "The field food holds a b64 that is not a text"),
            ({"image": {"b64": "/w=="}, "size": 30.5, "legs": 4}, "The field food is missing"),
            ([30.5, "four", "meat"], "legs"),
            (30.5, "wrong form"),
        ],
    )
    def test_refuses_other_instances_by_name(self, server, instance, sentence):
        answer = server.ask(f"/v1/models/{MODEL}:predict", {"instances": [instance]})
        assert answer.status == 400
        assert sentence in answer.json["error"]
