"""A real server over real HTTP: dialects, refusals, metadata, metrics, the OpenAPI document."""

import http.client
import json
import shutil
import socket
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.domains.bonds.domain import MODEL_NAMES
from core.state import Workspace
from tests.core.serving.conftest import running
from tests.disks import filled, mounted
from tests.waiting import PATIENCE_SECONDS

DIALECTS = ("rows", "tf_rows", "tf_columns", "v2")


def request_of(dialect, model, rows, which=""):
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    if dialect == "rows":
        return f"/api/v1/predict/{model}{which}", {"rows": rows}
    if dialect == "tf_rows":
        return f"/v1/models/{model}{which}:predict", {"instances": rows}
    if dialect == "tf_columns":
        return f"/v1/models/{model}{which}:predict", {"inputs": columns}
    kinds = {bool: "BOOL", str: "BYTES"}
    inputs = [
        {
            "name": name,
            "shape": [len(rows)],
            "datatype": kinds.get(type(next((v for v in values if v is not None), 0.0)), "FP64"),
            "data": values,
        }
        for name, values in columns.items()
    ]
    return f"/v2/models/{model}{which}/infer", {"inputs": inputs}


def answers_in(dialect, content):
    if dialect == "v2":
        return content["outputs"][0]["data"]
    return content[{"rows": "predictions", "tf_rows": "predictions", "tf_columns": "outputs"}[dialect]]


def frame_of(rows, bonds):
    table = pd.DataFrame(rows)
    for name in table:
        table[name] = table[name].astype(bonds[name].dtype)
    return table.assign(bond_id=range(len(table)), issuer_id=range(len(table)), as_of_date=0)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("model", "n_rows"),
    [*((model, 2) for model in MODEL_NAMES), *((model, 1) for model in MODEL_NAMES), ("spread", 120)],
)
def test_every_dialect_gives_the_answers_of_the_model(server, models, rows_of, bonds, dialect, model, n_rows):
    rows = rows_of(model, n_rows)
    answer = server.ask(*request_of(dialect, model, rows))
    assert answer.status == 200, answer.body
    frame = frame_of(rows, bonds)
    expected = np.concatenate([models[model].predict(frame.iloc[k : k + 1]) for k in range(n_rows)])
    np.testing.assert_allclose(answers_in(dialect, answer.json), expected, rtol=1e-12, atol=1e-12)
    assert answer.headers["x-bondx-version"] == "1.0.0"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("which", "version"),
    [
        ("/versions/1.1.0", "1.1.0"),
        ("/labels/Staging", "1.1.0"),
        ("/labels/production", "1.0.0"),
        ("/labels/challenger", "1.1.0"),
        ("/versions/@challenger", "1.1.0"),
    ],
)
def test_a_request_to_a_version_or_label_is_answered_by_that_version(
    server, models, rows_of, bonds, dialect, which, version
):
    rows = rows_of("spread", 2)
    answer = server.ask(*request_of(dialect, "spread", rows, which))
    assert answer.headers["x-bondx-version"] == version
    own = models["spread" if version == "1.0.0" else "spread_other"]
    expected = [own.predict(frame_of([row], bonds))[0] for row in rows]
    np.testing.assert_allclose(answers_in(dialect, answer.json), expected, rtol=1e-12)


def test_the_native_dialect_returns_version_and_request_id(server, rows_of):
    (row,) = rows_of("spread", 1)
    answer = server.ask("/api/v1/predict/spread", {"row": row, "request_id": "order-66"})
    assert answer.json["request_id"] == answer.headers["x-request-id"] == "order-66"
    assert (answer.json["model"], answer.json["version"]) == ("spread", "1.0.0")
    assert isinstance(answer.json["prediction"], float)


@pytest.mark.parametrize(
    ("path", "both"),
    [
        pytest.param("/api/v1/predict/spread", ("row", "rows"), id="our own"),
        pytest.param("/v1/models/spread:predict", ("instances", "inputs"), id="of TensorFlow Serving"),
    ],
)
def test_rows_in_two_forms_at_once_are_refused_rather_than_half_answered(server, rows_of, path, both):
    (row,) = rows_of("spread", 1)
    forms = {"row": row, "rows": [row], "instances": [row], "inputs": {name: [value] for name, value in row.items()}}
    answer = server.ask(path, {form: forms[form] for form in both})
    assert answer.status == 400
    assert all(f"`{form}`" in answer.json["error"] for form in both)


def test_a_request_id_is_returned_or_generated(server, rows_of):
    path, body = request_of("tf_rows", "spread", rows_of("spread", 1))
    assert server.ask(path, body, headers={"x-request-id": "mine"}).headers["x-request-id"] == "mine"
    first, second = (server.ask(path, body).headers["x-request-id"] for _ in range(2))
    assert first != second
    assert (
        server.ask("/v2/models/spread/infer", request_of("v2", "spread", rows_of("spread"))[1] | {"id": "7"}).json["id"]
        == "7"
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_wrong_field_is_a_400_that_names_it(server, rows_of, dialect):
    rows = rows_of("spread", 2)
    rows[1]["sector"] = "lemonade"
    answer = server.ask(*request_of(dialect, "spread", rows))
    assert answer.status == 400
    assert answer.json["field"] == "sector"
    assert "lemonade" in answer.json["error"]
    assert "choose from" in answer.json["error"]


DEEP = b"[" * 20_000 + b"]" * 20_000


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        pytest.param("/api/v1/predict/spread", b'{"x":%b}' % DEEP, "nested too deep", id="deep, in rows"),
        pytest.param("/v1/models/spread:predict", b'{"inputs":%b}' % DEEP, "nested too deep", id="deep, in columns"),
        pytest.param(
            "/v2/models/spread/infer",
            b'{"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":%b}]}' % DEEP,
            "nested too deep",
            id="deep, in a tensor",
        ),
        pytest.param(
            "/v1/models/spread:predict", b'{"inputs":{"coupon":1e999}}', "number out of range", id="beyond all numbers"
        ),
        pytest.param(
            "/v2/models/spread/infer",
            b'{"inputs":[{"name":"a","shape":[1,1],"datatype":"FP64","data":[%b]}]}' % (b"9" * 400),
            "must hold numbers",
            id="hundreds of digits",
        ),
    ],
)
def test_an_undecodable_request_is_a_client_error_and_not_a_model_failure(server, path, body, sentence):
    answer = server.ask(path, body)
    assert answer.status == 400
    assert sentence in answer.json["error"]


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        pytest.param("/v1/models/spred:predict", 404, "Choose from: anomaly", id="no such model"),
        pytest.param("/v1/models/spread/versions/9.9.9:predict", 404, "1.0.0, 1.1.0", id="no such version"),
        pytest.param("/v2/models/spread/versions/9.9.9/infer", 404, "1.0.0, 1.1.0", id="no such version in V2"),
        pytest.param("/api/v1/predict/spread/labels/best", 404, "production", id="no such label"),
        pytest.param("/v1/models/spread:classify", 404, "There is no path", id="no such verb"),
        pytest.param("/nowhere", 404, "There is no path", id="no such path"),
    ],
)
def test_an_unknown_object_is_a_404_with_the_choices(server, rows_of, path, status, sentence):
    answer = server.ask(path, {"instances": rows_of("spread", 1)})
    assert answer.status == status
    assert sentence in answer.json["error"]


@pytest.mark.parametrize("path", ["/v1/models/spread:predict", "/v2/models/spread/infer", "/api/v1/predict/spread"])
def test_predicting_requires_a_post(server, path):
    answer = server.ask(path)
    assert answer.status == answer.json["status"] == 405
    assert answer.headers["allow"] == "POST"


def test_requests_over_a_limit_are_refused(server, rows_of):
    (row,) = rows_of("liquidity_shock", 1)
    many = server.ask("/v1/models/liquidity_shock:predict", {"instances": [row] * 10_001})
    assert many.status == 413
    assert "10,000" in many.json["error"]
    large = server.bare(
        b"POST /v1/models/spread:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
    )
    assert large.status == 413
    packed = server.ask("/v1/models/spread:predict", b"xx", headers={"content-encoding": "gzip"})
    assert packed.status == 415
    assert server.ask("/v1/models/spread:predict", {"instances": []}).status == 400


def test_a_request_in_pieces_and_one_in_chunks_are_whole_requests(server, rows_of):
    content = json.dumps({"instances": rows_of("spread", 1)}).encode()
    head = b"POST /v1/models/spread:predict HTTP/1.1\r\nHost: localhost\r\n"
    whole = head + b"Content-Length: %d\r\n\r\n" % len(content) + content
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    expected = server.bare(whole)
    assert expected.status == 200
    assert server.bare(chunked).json == expected.json
    for cut in (3, len(head) - 4, len(head) + 30, len(whole) - 1):
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(whole[:cut])
            assert server.ask("/health").status == 200, "by now it has read the piece, too"
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)
            connection.settimeout(PATIENCE_SECONDS)
            connection.sendall(whole[cut:])
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.read() == expected.body


def test_requests_sent_without_waiting_are_answered_in_order(server, rows_of):
    requests = b""
    for number, row in enumerate(rows_of("spread", 3) * 3):
        content = json.dumps({"row": row, "request_id": f"n{number}"}).encode()
        requests += b"POST /api/v1/predict/spread HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % len(content)
        requests += (b"Connection: close\r\n" if number == 8 else b"") + b"\r\n" + content
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(requests)
        answers = b""
        while piece := connection.recv(65536):
            answers += piece
    places = [answers.index(b'"request_id":"n%d"' % number) for number in range(9)]
    assert places == sorted(places)
    assert answers.count(b"HTTP/1.1 200 OK") == 9


def test_tf_status_and_metadata(server):
    status = server.ask("/v1/models/spread").json["model_version_status"]
    assert {entry["version"]: entry["state"] for entry in status} == {"1.0.0": "AVAILABLE", "1.1.0": "AVAILABLE"}
    one = server.ask("/v1/models/spread/labels/staging").json["model_version_status"]
    assert [entry["version"] for entry in one] == ["1.1.0"]
    metadata = server.ask("/v1/models/spread/metadata").json
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert metadata["model_spec"]["version"] == "1.0.0"
    assert signature["inputs"]["sector"]["dtype"] == "DT_STRING"
    assert signature["inputs"]["rating_num"]["dtype"] == "DT_INT64"


def test_v2_metadata_and_health(server):
    assert server.ask("/v2").json["name"] == "bondx"
    for path in (
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/spread/ready",
        "/v2/models/spread/versions/1.1.0/ready",
    ):
        assert server.ask(path).status == 200
    metadata = server.ask("/v2/models/spread").json
    assert metadata["versions"] == ["1.0.0", "1.1.0"]
    assert {"name": "callable", "datatype": "BOOL", "shape": [-1]} in metadata["inputs"]
    assert metadata["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [-1]}]


def test_health_and_readiness(server):
    assert server.ask("/health").json == {"status": "up", "live": True, "ready": True}
    models = dict.fromkeys(("anomaly", "downgrade", "liquidity_shock", "spread"), True)
    assert server.ask("/ready").json == {"status": "ready", "ready": True, "reasons": [], "models": models}


def test_a_server_on_a_full_disk_answers_and_says_that_it_records_nothing(served, tmp_path):
    with mounted(tmp_path / "disk", "64m") as disk:
        root = disk / "workspace"
        shutil.copytree(served.root, root)
        with running(Workspace.open(root)) as server, filled(disk):
            answer = server.ask("/ready")
            assert (answer.status, answer.json["writable"]) == (200, False)
            assert "is full" in answer.json["unwritable"]
            server.until(lambda: "is full" in (server.ask("/api/v1/status").json["unwritable"] or ""), "the status")
            assert "bondx_workspace_writable 0.0" in server.ask("/metrics").body.decode()


def test_metrics_are_valid_prometheus_text(server, rows_of):
    server.ask("/v1/models/downgrade:predict", {"instances": rows_of("downgrade", 3)})
    server.ask("/v1/models/downgrade:predict", {"instances": "none"})
    text = server.ask("/metrics").body.decode()
    found = {sample.name: [] for family in text_string_to_metric_families(text) for sample in family.samples}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name].append((sample.labels, sample.value))
    of_model = {"model": "downgrade", "version": "1.0.0"}
    (count,) = [value for labels, value in found["bondx_predict_seconds_count"] if labels == of_model]
    in_buckets = {
        labels["le"]: n for labels, n in found["bondx_predict_seconds_bucket"] if of_model.items() <= labels.items()
    }
    assert count == in_buckets["+Inf"] >= 1
    assert ({"dialect": "tf_serving", "status": "400"}) in [
        labels for labels, _ in found["bondx_predict_refused_total"]
    ]
    assert found["bondx_ready"] == [({}, 1.0)]
    assert found["bondx_telemetry_up"] == [({}, 1.0)]
    assert "process_resident_memory_bytes" in found


def schemas_in(node):
    """Every schema of an OpenAPI document, those of the components among them."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if isinstance(node, dict):
        for key, value in node.items():
            yield from value.values() if key == "schemas" else [value] if key == "schema" else schemas_in(value)


def test_the_openapi_document_is_valid_and_names_every_path(server):
    from jsonschema import Draft202012Validator
    from openapi_spec_validator import validate

    document = server.ask("/api/v1/openapi.json").json
    validate(document)
    for schema in schemas_in(document):
        Draft202012Validator.check_schema(schema)
    for path in ("/v1/models/{model}:predict", "/v2/models/{model}/infer", "/api/v1/models/{model}/moves", "/metrics"):
        assert path in document["paths"]


def test_an_internal_error_shows_no_traceback_to_the_caller(server):
    answer = server.ask("/api/v1/models/spread/diff?before=1.0.0")
    assert answer.status == 400
    assert "after" in answer.json["error"]
    assert server.ask("/api/v1/nothing").status == 404
    assert "Traceback" not in answer.body.decode()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/health", None),
        ("GET", "/metrics", None),
        ("GET", "/v2/models/spread", None),
        ("GET", "/v2/models/nope", None),
        ("GET", "/nowhere", None),
        ("OPTIONS", "/v2/models/spread/infer", None),
        ("DELETE", "/health", None),
        ("POST", "/v2/models/spread/infer", b"{"),
        ("POST", "/v1/models/nope:predict", b"{}"),
        ("POST", "/api/v1/predict/spread", b"{}"),
        ("GET", "/api/v1/models", None),
        ("GET", "/api/v1/nowhere", None),
    ],
)
def test_every_answer_returns_an_id_the_callers_own_if_it_can_be_one(server, method, path, body):
    def returned(**headers):
        return server.ask(path, body, method=method, headers=headers).headers["x-request-id"]

    assert returned(**{"x-request-id": "trade-4711"}) == "trade-4711"
    first, second = returned(), returned(**{"x-request-id": "x" * 129})
    assert len({first, second, "", "x" * 129}) == 4


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v2/models/spread/infer", {"id": "é"}, "id"),
        ("/api/v1/predict/spread", {"request_id": "x" * 129}, "request_id"),
        ("/api/v1/predict/spread", {}, "x-request-id"),
    ],
)
def test_a_bad_id_is_refused_under_its_own_name(server, rows_of, path, body, field):
    (row,) = rows_of("spread", 1)
    if path.startswith("/v2"):
        described = server.ask("/v2/models/spread").json["inputs"]
        inputs = [{**tensor, "shape": [1], "data": [row[tensor["name"]]]} for tensor in described]
        body = {"inputs": inputs, **body}
    else:
        body = {"row": row, **body}
    headers = {"x-request-id": "x" * 129} if field == "x-request-id" else {}
    answer = server.ask(path, body, headers=headers)
    assert (answer.status, answer.json["field"]) == (400, field)
    assert answer.json["error"].startswith(f"The field {field} must be at most 128")


def test_the_root_says_that_the_server_is_live(server):
    answer = server.ask("/")
    assert (answer.status, answer.json["status"]) == (200, "alive")
    assert server.ask("/", b"{}").status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/größe:predict",
        "/v2/models/größe/infer",
        "/api/v1/predict/größe",
        "/invocations/größe",
        "/v1/models/größe",
        "/v1/models/spread/versions/größe",
        "/v1/models/spread/labels/größe",
        "/größe",
    ],
)
def test_a_refusal_shows_a_name_of_any_letters(server, path):
    is_predict = path.endswith(("predict", "infer")) or "predict/" in path or "invocations" in path
    answer = server.ask(quote(path), {} if is_predict else None)
    assert answer.status == 404
    assert "größe" in (answer.json.get("error") or answer.json["message"])
