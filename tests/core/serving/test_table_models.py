"""A user's table, from CSV to HTTP: odd names, flags, categories, gaps; errors name the field."""

import http.client
import json
from types import SimpleNamespace

import pandas as pd
import pytest

from core.actor import Actor, Origin
from core.domains.catalogue import load_model
from core.registry import Registry
from core.serving import Server
from core.settings import PromotionSettings, Settings
from core.state import Workspace
from core.training.own_data import TrainRequest, train_on_file
from tests.waiting import PATIENCE_SECONDS, until

MODEL = "desk-7_rent"
DIALECTS = ("rows", "tf_rows", "tf_columns", "v2")
ROW = {"Fläche [m²]": 51.5, "floor: no.": 2, "is new": True, "district/zone": "nord"}
GAP = {"Fläche [m²]": None, "floor: no.": 0, "is new": False, "district/zone": None}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server in this process, with a model of a CSV that has gaps."""
    folder = tmp_path_factory.mktemp("table")
    lines = [",".join([*ROW, "rent"])]
    for n in range(240):
        area, floor, new = 20 + n % 80 + 0.5, n % 7, n % 3 == 0
        district = ("nord", "süd", "a, b")[n % 3 - 1]
        rent = 300 + 9 * area + 10 * floor + 50 * new
        shown_area, shown_district = ("" if n % 11 == 0 else area), ("" if n % 13 == 0 else f'"{district}"')
        lines.append(f"{shown_area},{floor},{str(new).lower()},{shown_district},{rent}")
    data = folder / "rents.csv"
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    workspace = Workspace.create(folder / "workspace", settings_text="policy: {promotion: {min_accuracy: 0}}\n")
    ana = Actor("ana", "desk", Origin.COMMAND_LINE)
    for _ in range(2):  # the newer version is not loaded
        train_on_file(workspace, TrainRequest(MODEL, data, target="rent"), Settings(), actor=ana)
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    for _ in range(2):
        registry.apply(registry.plan_promotion(MODEL, "1.0.0"), actor=ana)
    server = Server(workspace, "127.0.0.1", 0)
    server.start()
    until(lambda: server.table.is_complete, "a server that is ready")
    port = int(server.url.rpartition(":")[2])
    model = load_model(registry.load_path(MODEL, "1.0.0"))
    yield SimpleNamespace(port=port, model=model, settings_file=workspace.settings_file)
    server.stop()


@pytest.fixture
def ask(served):
    def asked(path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET" if body is None else "POST", path, body and json.dumps(body).encode())
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content.startswith(b"{") else content.decode()
        finally:
            connection.close()

    return asked


def request_of(dialect, rows):
    columns = {name: [row[name] for row in rows if name in row] for name in rows[0]}
    if dialect == "rows":
        return f"/api/v1/predict/{MODEL}", {"rows": rows}
    if dialect == "tf_rows":
        return f"/v1/models/{MODEL}:predict", {"instances": rows}
    if dialect == "tf_columns":
        return f"/v1/models/{MODEL}:predict", {"inputs": columns}
    inputs = []
    for name, values in columns.items():
        kind = "BYTES" if name == "district/zone" else "BOOL" if name == "is new" else "FP64"
        kind = "BYTES" if any(isinstance(value, str) for value in values) else kind
        inputs.append({"name": name, "shape": [len(values)], "datatype": kind, "data": values})
    return f"/v2/models/{MODEL}/infer", {"inputs": inputs}


def values_in(dialect, content):
    if dialect == "v2":
        return content["outputs"][0]["data"]
    return content["outputs" if dialect == "tf_columns" else "predictions"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_answers_as_the_model_does(ask, served, dialect):
    rows = [ROW, GAP, ROW | {"district/zone": "a, b", "is new": False}]
    status, content = ask(*request_of(dialect, rows))
    assert status == 200, content
    expected = served.model.predict(pd.DataFrame(rows))
    assert values_in(dialect, content) == pytest.approx(list(expected), rel=1e-9)
    assert 300 < values_in(dialect, content)[0] < 1_300


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        pytest.param({"Fläche [m²]": "large"}, "Fläche [m²]", id="a word for a number"),
        pytest.param({"floor: no.": None}, "floor: no.", id="a gap where there never was one"),
        pytest.param({"is new": "perhaps"}, "is new", id="a word for a flag"),
    ],
)
def test_a_wrong_value_is_a_400_that_names_the_field(ask, dialect, wrong, field):
    status, content = ask(*request_of(dialect, [ROW, ROW | wrong]))
    assert (status, content["field"]) == (400, field), content
    assert field in content["error"]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("field", ROW)
def test_a_missing_column_is_a_400_that_names_it(ask, dialect, field):
    row = {name: value for name, value in ROW.items() if name != field}
    status, content = ask(*request_of(dialect, [row, row]))
    assert (status, content["field"]) == (400, field), content
    assert field in content["error"]


def test_a_number_for_a_category_is_a_400_that_names_the_field(ask):
    status, content = ask(*request_of("rows", [ROW | {"district/zone": 7}]))
    assert (status, content["field"]) == (400, "district/zone")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_unknown_category_is_answered_and_counted(ask, dialect):
    def counted():
        lines = [line for line in ask("/metrics")[1].splitlines() if line.startswith("bondx_predict_unfamiliar")]
        return sum(float(line.split()[-1]) for line in lines if "district/zone" in line)

    before = counted()
    assert ask(*request_of(dialect, [ROW | {"district/zone": "on the moon"}]))[0] == 200
    assert counted() == before + 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_column_that_the_model_does_not_know_changes_no_answer(ask, dialect):
    plain, more = ask(*request_of(dialect, [ROW])), ask(*request_of(dialect, [{**ROW, "colour": 1.5}]))
    if dialect == "v2":  # its tensors are declared by name
        assert more[0] == 400, more
        return
    assert plain[0] == more[0] == 200, more
    assert values_in(dialect, plain[1]) == values_in(dialect, more[1])


def test_the_signature_shows_kinds_and_nullable_fields(ask):
    inputs = {entry["name"]: entry["datatype"] for entry in ask(f"/v2/models/{MODEL}")[1]["inputs"]}
    assert inputs.keys() == ROW.keys()
    assert inputs["district/zone"] == "BYTES"


@pytest.mark.parametrize("block", ["explanation: {denied_columns: LIST}", "protection: {personal: LIST}"])
def test_the_described_fields_tell_no_range_or_level_of_a_denied_or_personal_column(ask, served, block):
    def described(version):
        fields = ask(f"/api/v1/models/{MODEL}/versions/{version}/signature")[1]["fields"]
        return {field.pop("name"): field for field in fields}

    versions = ("1.0.0", "1.0.1")  # loaded, not loaded
    before = [described(version) for version in versions]
    assert before[0]["floor: no."]["most"] == 6
    text = served.settings_file.read_text()
    try:
        served.settings_file.write_text(text + block.replace("LIST", '["floor*", "district*"]') + "\n")
        after = [described(version) for version in versions]
    finally:
        served.settings_file.write_text(text)
    for one, other in zip(before, after, strict=True):
        assert other["floor: no."] == {"kind": "int", "strict": False}
        assert other["district/zone"] == {"kind": "category", "nullable": True, "strict": False}
        assert other["Fläche [m²]"] == one["Fläche [m²]"]


def test_no_count_rises_where_the_range_of_a_denied_column_ends(ask, served):
    def counted():
        lines = [line for line in ask("/metrics")[1].splitlines() if line.startswith("bondx_predict_unfamiliar")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    def asked():
        row = ROW | {"floor: no.": 600, "district/zone": "on the moon"}
        assert ask(*request_of("rows", [row]))[0] == 200
        return counted()

    before = asked()
    assert all(any(name in line for line in before) for name in ("floor: no.", "district/zone"))
    text = served.settings_file.read_text()
    try:
        served.settings_file.write_text(text + 'explanation: {denied_columns: ["floor*", "district*"]}\n')
        told = asked()
    finally:
        served.settings_file.write_text(text)
    assert not any(name in line for line in told for name in ("floor", "district"))
    assert counted() == before
