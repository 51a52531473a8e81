"""The requests that are sent, and the requests that are refused before sending."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from core.client import Client, ClientError, NotSpokenError, RejectedError

FIELDS = [
    {"name": "x", "datatype": "FP32", "shape": [-1, 1]},
    {"name": "n", "datatype": "INT64", "shape": [-1]},
    {"name": "t", "datatype": "BYTES", "shape": [-1]},
]


class V2:
    """A peer of the Open Inference Protocol that answers with row numbers."""

    def __init__(self, inputs: list[dict[str, Any]] | None) -> None:
        self.inputs = inputs
        self.bodies: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            if self.inputs is None:
                return httpx.Response(404, json={"error": "no metadata here"})
            return httpx.Response(200, json={"name": "m", "platform": "any", "inputs": self.inputs, "outputs": []})
        body = json.loads(request.content)
        self.bodies.append(body)
        n = body["inputs"][0]["shape"][0]
        output = {"name": "y", "datatype": "FP32", "shape": [n, 2], "data": list(range(2 * n))}
        return httpx.Response(200, json={"model_name": "m", "id": body["id"], "outputs": [output]})


def test_v2_sends_the_datatypes_that_the_model_declares(client_of) -> None:
    peer = V2(FIELDS)
    answer = client_of(peer, dialect="v2").predict("m", [{"x": 1, "n": 2.0, "t": "a"}, {"x": None, "n": 3, "t": None}])
    sent = {one["name"]: (one["datatype"], one["shape"], one["data"]) for one in peer.bodies[0]["inputs"]}
    assert sent == {
        "x": ("FP32", [2, 1], [1, None]),
        "n": ("INT64", [2], [2.0, 3]),
        "t": ("BYTES", [2], ["a", None]),
    }
    assert answer.values == [[0, 1], [2, 3]]


def test_v2_sends_the_fields_that_the_model_reads_and_names_the_others(client_of) -> None:
    peer = V2(FIELDS)
    answer = client_of(peer, dialect="v2").predict("m", {"x": 1, "n": 2, "t": "a", "account": "a-1", "note": object()})
    assert [one["name"] for one in peer.bodies[0]["inputs"]] == ["x", "n", "t"]
    assert answer.left_out == ("account", "note")


def test_v2_refuses_rows_without_a_field_that_the_model_reads(client_of) -> None:
    peer = V2(FIELDS)
    with pytest.raises(RejectedError, match=r"none of the given fields \(account\); it reads x, n, t\."):
        client_of(peer, dialect="v2").predict("m", {"account": "a-1"})
    assert not peer.bodies


def test_v2_infers_datatypes_if_the_model_declares_none(client_of) -> None:
    peer = V2(None)
    client_of(peer, dialect="v2").predict("m", {"f": 0.5, "i": np.int64(3), "b": True, "t": "a", "d": date(2026, 1, 2)})
    assert [one["datatype"] for one in peer.bodies[0]["inputs"]] == ["FP64", "INT64", "BOOL", "BYTES", "BYTES"]


@pytest.mark.parametrize("matrix", [[[1, 2], [3, 4]], np.array([[1, 2], [3, 4]]), [np.array([1, 2]), (3, 4)]])
def test_v2_sends_a_matrix_as_one_tensor(client_of, matrix: Any) -> None:
    peer = V2([{"name": "all", "datatype": "FP32", "shape": [-1, 2]}])
    client_of(peer, dialect="v2").predict("m", matrix)
    assert peer.bodies[0]["inputs"] == [{"name": "all", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}]


@pytest.mark.parametrize(
    ("row", "field"),
    [({"x": "a"}, "x"), ({"n": 1.5}, "n"), ({"t": 3}, "t")],
    ids=["text for a number", "half for a whole", "number for text"],
)
def test_v2_refuses_what_the_model_cannot_read_before_sending(client_of, row: dict[str, Any], field: str) -> None:
    peer = V2(FIELDS)
    with pytest.raises(RejectedError) as caught:
        client_of(peer, dialect="v2").predict("m", row)
    assert caught.value.field == field
    assert not peer.bodies


@pytest.mark.parametrize("dialect", ["v2", "tf-rest", "rows"])
@pytest.mark.parametrize(
    "rows",
    [[], [[1, 2], [3]], [{"x": 1}, [2]], [1, 2], {"x": float("inf")}],
    ids=["none", "ragged", "mixed", "bare numbers", "infinite"],
)
def test_invalid_rows_are_refused(client_of, dialect: str, rows: Any) -> None:
    with pytest.raises(RejectedError):
        client_of(V2(FIELDS), dialect=dialect).predict("m", rows)


def test_rows_with_different_fields_are_refused_by_name_in_columnar_dialects(client_of) -> None:
    with pytest.raises(RejectedError) as caught:
        client_of(V2(None), dialect="v2").predict("m", [{"x": 1}, {"x": 1, "y": 2}])
    assert caught.value.field == "y"


def test_the_native_dialect_has_no_matrix(client_of) -> None:
    with pytest.raises(NotSpokenError):
        client_of(V2(None)).predict("m", [[1.0]])


@pytest.mark.parametrize(
    ("predictions", "values", "outputs"),
    [
        ([[0.5], [0.7]], [0.5, 0.7], {}),
        ([[0.1, 0.9], [0.2, 0.8]], [[0.1, 0.9], [0.2, 0.8]], {}),
        ([{"p": [0.5], "k": 1}, {"p": [0.7], "k": 0}], [0.5, 0.7], {"p": [[0.5], [0.7]], "k": [1, 0]}),
    ],
    ids=["one value", "two values", "named outputs"],
)
def test_every_form_of_tf_answers_is_read(client_of, predictions: Any, values: Any, outputs: Any) -> None:
    def peer(request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content) == {"instances": [{"x": 1}, {"x": None}]}
        assert request.url.path == "/v1/models/m/labels/canary:predict"
        return httpx.Response(200, json={"predictions": predictions})

    answer = client_of(peer, dialect="tf-rest").predict("m", [{"x": 1}, {"x": float("nan")}], label="canary")
    assert (answer.values, answer.outputs) == (values, outputs)


@pytest.mark.parametrize("dialect", ["rows", "tf-rest", "v2"])
def test_missing_values_of_pandas_and_decimals_are_sent_as_json_has_them(client_of, dialect) -> None:
    sent: list[Any] = []

    def peer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content) if request.content else None)
        return httpx.Response(404, json={"error": "no"})

    rows = [{"x": pd.NA, "d": pd.NaT, "n": Decimal("1.5")}, {"x": 2.5, "d": date(2026, 1, 2), "n": Decimal("NaN")}]
    with pytest.raises(ClientError):
        client_of(peer, dialect=dialect).predict("m", rows)
    plain = {"x": [None, 2.5], "d": [None, "2026-01-02"], "n": [1.5, None]}
    if dialect == "v2":
        assert {one["name"]: one["data"] for one in sent[-1]["inputs"]} == plain
    else:
        found = sent[-1]["rows" if dialect == "rows" else "instances"]
        assert {name: [row[name] for row in found] for name in plain} == plain


@pytest.mark.parametrize(
    "value", [object(), 10**30, "\ud800", {1, 2}, b"bytes"], ids=lambda value: type(value).__name__
)
@pytest.mark.parametrize("dialect", ["rows", "tf-rest", "v2"])
def test_a_value_that_cannot_be_sent_is_refused_by_its_field(client_of, dialect, value) -> None:
    with pytest.raises(RejectedError) as caught:
        client_of(V2(None), dialect=dialect).predict("m", [{"x": 1, "note": None}, {"x": 2, "note": value}])
    assert caught.value.field == "note"


def test_a_name_cannot_escape_its_place_in_the_path(client_of) -> None:
    seen: list[bytes] = []

    def peer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(404, json={"error": "no"})

    with pytest.raises(RejectedError):
        client_of(peer).predict("../api/v1/tokens?x=", {"x": 1})
    assert seen == [b"/api/v1/predict/..%2Fapi%2Fv1%2Ftokens%3Fx%3D"]


@pytest.mark.parametrize(
    "url", ["peer:8501", "ftp://peer", "http://", "http://ana:secret@peer"], ids=["bare", "ftp", "no host", "password"]
)
def test_an_invalid_url_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(RejectedError) as caught:
        Client(url)
    assert "secret" not in str(caught.value)


def test_an_unknown_dialect_is_refused_with_the_known_dialects() -> None:
    with pytest.raises(RejectedError, match="rows, v2, tf-rest, tf-grpc"):
        Client("http://peer", "soap")


def test_a_version_and_a_label_together_are_refused(client_of) -> None:
    with pytest.raises(RejectedError, match="not both"):
        client_of(V2(None)).predict("m", {"x": 1}, version="1.0.0", label="production")
