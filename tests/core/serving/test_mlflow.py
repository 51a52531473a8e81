"""What a client of MLflow's scoring server, or of a SageMaker container, sends and receives."""

from types import SimpleNamespace

import httpx
import numpy as np
import pandas as pd
import pytest

from core.serving import Server
from tests.waiting import PATIENCE_SECONDS, until


@pytest.fixture(scope="module")
def alone(tmp_path_factory, artifacts, put_live, make_workspace):
    """A server with a single live model, and a client of it."""
    workspace = make_workspace(tmp_path_factory.mktemp("alone") / "workspace")
    put_live(workspace, "spread", artifacts / "spread")
    server = Server(workspace, "127.0.0.1", 0)
    server.start()
    with httpx.Client(base_url=server.url, timeout=PATIENCE_SECONDS) as client:
        until(lambda: client.get("/ping").status_code == 200, "a server that is ready")
        yield SimpleNamespace(client=client, workspace=workspace)
    server.stop()


@pytest.fixture
def frame(rows_of) -> pd.DataFrame:
    return pd.DataFrame(rows_of("spread", 3))


def bodies(frame: pd.DataFrame):
    """The four forms in which MLflow's own client writes a table."""
    return {
        "dataframe_split": frame.to_dict(orient="split"),
        "dataframe_records": frame.to_dict(orient="records"),
        "instances": frame.to_dict(orient="records"),
        "inputs": frame.to_dict(orient="list"),
    }


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "instances", "inputs"])
def test_every_form_of_a_table_gets_the_answers_of_the_only_model(alone, frame, form):
    rows = frame.to_dict(orient="records")
    expected = alone.client.post("/api/v1/predict/spread", json={"rows": rows}).json()["predictions"]
    for path in ("/invocations", "/invocations/spread", "/invocations/spread/versions/1.0.0"):
        answer = alone.client.post(path, json={form: bodies(frame)[form]}, headers={"x-request-id": "mine"})
        assert answer.status_code == 200, answer.text
        assert list(answer.json()) == ["predictions"]
        np.testing.assert_allclose(answer.json()["predictions"], expected, rtol=1e-12)
        assert (answer.headers["x-bondx-model"], answer.headers["x-request-id"]) == ("spread", "mine")


def test_columns_in_another_order_and_columns_that_the_model_does_not_read_change_nothing(alone, frame):
    mixed = frame[frame.columns[::-1]].assign(desk="rates")
    given, other = (
        alone.client.post("/invocations", json={"dataframe_split": each.to_dict(orient="split")}).json()
        for each in (frame, mixed)
    )
    assert given == other


@pytest.mark.parametrize(
    ("body", "says", "field"),
    [
        (b"{", "Input data was truncated", None),
        (b"[1]", "wrong form: expected `object`, got `array`", None),
        (b"{}", "requires one of dataframe_split, dataframe_records, instances, inputs; it has none", None),
        (b'{"instances": [], "inputs": {}}', "it has instances and inputs", None),
        (b'{"dataframe_split": {"data": [[1]]}}', "columns", "columns"),
        (b'{"dataframe_split": {"columns": ["vix", "vix"], "data": []}}', "'vix' twice", "dataframe_split.columns"),
        (b'{"dataframe_split": {"columns": ["vix"], "data": [[1], [1, 2]]}}', "has 2 val", "dataframe_split.data[1]"),
        (b'{"dataframe_split": {"columns": [], "data": [], "data": []}}', "the key 'data' twice", None),
        (b'{"dataframe_records": [{"vix": "high"}]}', "vix", "vix"),
        (b'{"dataframe_records": []}', "has no rows", None),
        (b'{"dataframe_split": {"columns": ["\xff"], "data": []}}', "not valid UTF-8", None),
    ],
)
def test_a_wrong_body_is_refused_in_the_form_of_mlflow(alone, body, says, field):
    answer = alone.client.post("/invocations", content=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == "BAD_REQUEST"
    assert says in answer.json()["message"]
    assert answer.json().get("field") == field


def test_csv_is_refused_with_the_form_to_send_instead(alone, frame):
    answer = alone.client.post(
        "/invocations", content=frame.to_csv(), headers={"content-type": "text/csv; charset=utf-8"}
    )
    assert answer.status_code == 415
    assert "send `dataframe_split` as application/json" in answer.json()["message"]


def test_a_server_of_several_models_names_their_paths(server, frame):
    answer = server.ask("/invocations", bodies(frame))
    assert answer.status == 400
    assert answer.json["error_code"] == "BAD_REQUEST"
    assert "serves 4 models; name one in the path: /invocations/" in answer.json["message"]
    assert "/invocations/spread" in answer.json["message"]
    body = {"dataframe_split": frame.to_dict(orient="split")}
    assert server.ask("/invocations/spread", body).status == 200
    unknown = server.ask("/invocations/nothing", body)
    assert (unknown.status, unknown.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert server.ask("/invocations").status == 405
    assert server.ask("/ping").json["status"] == "ready"


def test_a_server_without_a_live_model_is_not_ready(running, workspace):
    with running(workspace) as server:
        assert server.ask("/ping").status == 503
        answer = server.ask("/invocations", {"dataframe_records": []})
    assert (answer.status, answer.json["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert answer.json["message"] == "There is no model to answer: no model is registered in this workspace."
