"""A column that trains can be served: odd names go through every door, from the CSV header to HTTP."""

import csv
import http.client
import json
import re
from types import SimpleNamespace
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.actor import Actor, Origin
from core.escape import is_shown_as_is
from core.models.scoring.fields import Field
from core.registry import Registry
from core.serving import Server
from core.serving.dialects import Answered, JsonRows
from core.serving.shown_json import shown_json
from core.serving.signature import ServingSignature
from core.settings import ModelSettings, PromotionSettings, Settings
from core.state import Workspace
from core.training.own_data import TrainRequest, evaluate_on_file, train_on_file
from tests.waiting import PATIENCE_SECONDS, until

NAMES = (
    'size (2")',
    "back\\slash",
    'both \\" of them',
    "br[a]c{k}et",
    "com,ma",
    "co:lon",
    "line\nbreak",
    "tab\there",
    "größe 東京 🏠",
    "x" * 600,
    "escape\x1b[2J",
    "control\x9b2J",
    "del\x7fete",
    "right\u202eleft",
    "tag\U000e0041",
    "it's",
    "dot.ted.name",
    "back`tick",
    "f0",
    "f1",
    "__proto__",
    "sla/sh",
    "<b>%s{0}</b>",
)
WORDS = 'a "kind" of\nword'
TARGET = 'rent "net"'
SAMPLE = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? [-+0-9.eE]+|.* (NaN|[+-]Inf)")
ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


def rows_of(n: int, seed: int) -> list[dict]:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n, len(NAMES))).round(4)
    found = []
    for row in numbers:
        word = ("lo\\w", 'hi"gh')[int(row[0] > 0)]
        cells = dict(zip(NAMES, map(float, row), strict=True))
        found.append({**cells, WORDS: word, TARGET: float(2 * row[0] + row[1] - row[2] + (word == "lo\\w"))})
    return found


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module", params=["linear", "lightgbm", "hist_gradient_boosting"])
def served(request, tmp_path_factory):
    """A server of a model that learned columns of odd names."""
    folder = tmp_path_factory.mktemp("names")
    workspace = Workspace.create(folder / "workspace", settings_text="policy: {promotion: {min_accuracy: 0}}\n")
    settings = Settings(models={"odd": ModelSettings(algorithm=request.param)})
    data = write(folder / "learn.csv", rows_of(300, 1))
    trained = train_on_file(workspace, TrainRequest("odd", data, target=TARGET), settings, actor=ANA)
    assert set(trained.report["features"]) == {*NAMES, WORDS}
    evaluation = evaluate_on_file(workspace, "odd", write(folder / "test.csv", rows_of(200, 2)))
    assert evaluation.metrics["r2"] > 0.5
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    for _ in range(2):
        registry.apply(registry.plan_promotion("odd", "1.0.0"), actor=ANA)
    server = Server(workspace, "127.0.0.1", 0)
    server.start()
    until(lambda: server.table.is_complete, "a server that is ready")
    yield SimpleNamespace(port=int(server.url.rpartition(":")[2]))
    server.stop()


@pytest.fixture
def ask(served):
    def asked(path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET" if body is None else "POST", path, body and json.dumps(body).encode())
            answer = connection.getresponse()
            content = answer.read()
            assert is_shown_as_is(content.decode(), keep="\n")
            return answer.status, json.loads(content) if content.startswith(b"{") else content.decode()
        finally:
            connection.close()

    return asked


def inputs_of(rows):
    return [{name: value for name, value in row.items() if name != TARGET} for row in rows]


def test_every_dialect_answers_rows_of_odd_names_alike(ask):
    rows = inputs_of(rows_of(3, 3))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    tensors = [
        {"name": name, "shape": [3], "datatype": "BYTES" if name == WORDS else "FP64", "data": values}
        for name, values in columns.items()
    ]
    answers = [
        ask("/api/v1/predict/odd", {"rows": rows}),
        ask("/v1/models/odd:predict", {"instances": rows}),
        ask("/v1/models/odd:predict", {"inputs": columns}),
        ask(
            "/v1/models/odd:predict",
            {"inputs": {name: [[value] for value in values] for name, values in columns.items()}},
        ),
        ask("/v2/models/odd/infer", {"inputs": tensors}),
    ]
    assert [status for status, _ in answers] == [200] * 5, answers
    found = [
        answers[0][1]["predictions"],
        answers[1][1]["predictions"],
        answers[2][1]["outputs"],
        answers[3][1]["outputs"],
        answers[4][1]["outputs"][0]["data"],
    ]
    assert all(values == found[0] for values in found)
    single = [ask("/api/v1/predict/odd", {"row": row})[1]["prediction"] for row in rows]
    assert single == pytest.approx(found[0])


@pytest.mark.parametrize("name", NAMES)
def test_an_error_names_the_field_as_the_user_wrote_it(name, ask):
    (row,) = inputs_of(rows_of(1, 4))
    wrong, lacking = row | {name: "big"}, {other: value for other, value in row.items() if other != name}

    for body, word in ((wrong, "expected"), (lacking, "missing")):
        status, answer = ask("/api/v1/predict/odd", {"rows": [body]})
        assert (status, answer["field"]) == (400, name)
        assert word in answer["error"]


def test_the_server_is_ready_and_tells_its_metrics_and_its_signature(ask):
    (row,) = inputs_of(rows_of(1, 5))
    assert ask("/api/v1/predict/odd", {"row": row | dict.fromkeys(NAMES, 99.0)})[0] == 200

    assert ask("/ready")[0] == 200
    status, metrics = ask("/metrics")
    assert status == 200
    assert "outside" in metrics or "unfamiliar" in metrics
    assert all(is_shown_as_is(line) for line in metrics.split("\n"))
    assert 'field="escape\\\\x1b[2J"' in metrics
    assert all(line.startswith("#") or SAMPLE.fullmatch(line) for line in metrics.split("\n") if line)
    status, signature = ask("/v1/models/odd/metadata")
    assert status == 200
    assert {*NAMES, WORDS} == set(signature["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"])
    assert {each["name"] for each in ask("/v2/models/odd")[1]["inputs"]} == {*NAMES, WORDS}
    status, signature = ask("/api/v1/models/odd/versions/1.0.0/signature")
    assert (status, {each["name"] for each in signature["fields"]}) == (200, {*NAMES, WORDS})
    status, answer = ask("/v1/models/" + quote("no\x9b2J"))
    assert (status, answer["error"].startswith("There is no model 'no\\x9b2J'")) == (404, True)


def test_names_of_classes_are_answered_as_a_terminal_shows_them():
    signature = ServingSignature([Field(name="size", kind="float")])
    signature.classes = ("lo\x9bw", "mid", "high")
    rows = JsonRows().read_with(JsonRows().reader(signature), b'{"row": {"size": 1}}')
    answer = JsonRows().reply(rows, Answered("odd", "1.0.0", "id", signature, [[0.2, 0.3, 0.5]]))

    assert json.loads(shown_json(answer))["classes"] == ["lo\x9bw", "mid", "high"]
    assert is_shown_as_is(shown_json(answer).decode())


@given(st.text())
def test_json_keeps_its_meaning_however_it_is_shown(text):
    content = json.dumps({text: text}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if all(not 0xD800 <= ord(each) < 0xE000 for each in text):
        assert json.loads(shown_json(content)) == {text: text}
        assert is_shown_as_is(shown_json(content).decode())
