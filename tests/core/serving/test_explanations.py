"""Explanations and conformal intervals over HTTP, from a real server."""

import json
import shutil
from datetime import timedelta

import numpy as np
import pytest

from core.access import Principal
from core.actor import Actor, Origin
from core.clock import utc_now
from core.explain.conformal import CONFORMAL_NAME, Conformal
from core.explain.served_sketch import ContributionBasis, ContributionSketch, merged_contributions
from core.governance.grants import Grants
from core.monitoring.estimation.held_out import HELD_OUT_NAME, HeldOutRows
from core.serving.access import Role, Tokens
from core.state import Workspace
from core.telemetry.live import CountedMinute, LiveWriter
from tests.core.serving.conftest import running

SPREAD, DOWNGRADE = "/api/v1/predict/spread", "/api/v1/predict/downgrade"
EXPLAIN = "/api/v1/models/spread/explain"


def kept(folder, rows, *, classes=()):
    """Give an artifact held-out rows, and the intervals that follow: spreads are off by up to 20 basis points."""
    answer = np.linspace(0.02, 0.98, 60) if classes else np.linspace(50.0, 400.0, 60)
    actual = (np.arange(60) % 2).astype(np.float64) if classes else answer + np.linspace(-20, 20, 60)
    held = HeldOutRows(rows, answer, actual, classes, None, None, "", ())
    (folder / HELD_OUT_NAME).write_bytes(held.to_bytes())
    (folder / CONFORMAL_NAME).write_bytes(Conformal.of(answer, actual, None, classes).to_bytes())
    return folder


@pytest.fixture(scope="module")
def explained(tmp_path_factory, artifacts, bonds, models, put_live):
    """A workspace with live versions that keep rows."""
    root = tmp_path_factory.mktemp("explained")
    workspace = Workspace.create(root / "desk", settings_text="policy: {promotion: {min_accuracy: 0}}\n")
    for name, classes in (("spread", ()), ("downgrade", ("0", "1"))):
        folder = shutil.copytree(artifacts / name, root / name)
        columns = [field.name for field in models[name].row_scorer().fields]
        put_live(workspace, name, kept(folder, bonds[columns].head(60).reset_index(drop=True), classes=classes))
    put_live(workspace, "liquidity_shock", artifacts / "liquidity_shock")
    return workspace


@pytest.fixture(scope="module")
def desk(explained, ana):
    with running(explained) as server:
        server.token = Tokens(explained).create("desk", Role.OPERATOR, actor=ana)[1]
        yield server


def test_an_answer_has_an_interval_where_the_request_asks_for_one(desk, rows_of):
    rows = rows_of("spread", 3)
    plain = desk.ask(SPREAD, {"row": rows[0]}).json
    assert "interval" not in plain
    one = desk.ask(SPREAD, {"row": rows[0], "interval": 0.9}).json
    assert one["prediction"] == plain["prediction"]
    assert one["interval"]["level"] == 0.9
    assert one["interval"]["low"] < one["prediction"] < one["interval"]["high"]
    several = desk.ask(SPREAD, {"rows": rows, "interval": 0.9}).json
    assert len(several["intervals"]) == 3
    assert several["intervals"][0] == one["interval"]
    wide = desk.ask(SPREAD, {"row": rows[0], "interval": 0.95}).json["interval"]
    assert wide["low"] < one["interval"]["low"]
    assert desk.ask(SPREAD, {"row": rows[0], "interval": None}).json["prediction"] == plain["prediction"]


def test_of_classes_the_interval_is_a_set(desk, rows_of):
    answer = desk.ask(DOWNGRADE, {"row": rows_of("downgrade", 1)[0], "interval": 0.9}).json
    assert answer["interval"]["level"] == 0.9
    assert set(answer["interval"]["classes"]) <= {"0", "1"}


@pytest.mark.parametrize("level", [0.2, 1.0, 0.999, "high", True, [0.9]])
def test_a_level_that_is_none_is_refused(desk, rows_of, level):
    assert desk.ask(SPREAD, {"row": rows_of("spread", 1)[0], "interval": level}).status == 400


def test_a_level_that_the_groups_are_too_few_for_is_refused_by_its_field(desk, rows_of):
    refused = desk.ask(SPREAD, {"row": rows_of("spread", 1)[0], "interval": 0.99})
    assert (refused.status, refused.json["field"]) == (400, "interval")
    assert "too few for an interval of level 0.99: at most" in refused.json["error"]


KINDS = {str: "BYTES", bool: "BOOL", int: "INT64"}
V2 = "/v2/models/{}/infer"


def in_tensors(rows, **parameters):
    """Return a request of the Open Inference Protocol for rows, with parameters of the whole."""
    tensors = []
    for name in rows[0]:
        values = [row[name] for row in rows]
        kind = KINDS.get(type(next((value for value in values if value is not None), 0.0)), "FP64")
        tensors.append({"name": name, "shape": [len(values)], "datatype": kind, "data": values})
    return {"inputs": tensors} | ({"parameters": parameters} if parameters else {})


def test_open_inference_answers_have_the_limits_as_outputs_of_their_own(desk, rows_of):
    rows = rows_of("spread", 3)
    plain = desk.ask(V2.format("spread"), in_tensors(rows)).json
    name = plain["outputs"][0]["name"]
    assert len(plain["outputs"]) == 1
    assert "parameters" not in plain
    found = desk.ask(V2.format("spread"), in_tensors(rows, interval=0.9)).json
    assert found["parameters"] == {"interval": 0.9}
    answer, low, high = found["outputs"]
    assert answer == plain["outputs"][0]
    assert (low["name"], high["name"]) == (f"{name}_low", f"{name}_high")
    in_rows = desk.ask(SPREAD, {"rows": rows, "interval": 0.9}).json["intervals"]
    assert low["data"] == [each["low"] for each in in_rows]
    assert high["data"] == [each["high"] for each in in_rows]
    assert low["shape"] == [3]


def test_open_inference_answers_of_classes_have_the_set(desk, rows_of):
    rows = rows_of("downgrade", 2)
    found = desk.ask(V2.format("downgrade"), in_tensors(rows, interval=0.9)).json
    sets = found["outputs"][1]
    assert (sets["datatype"], sets["name"]) == ("BYTES", found["outputs"][0]["name"] + "_set")
    in_rows = desk.ask(DOWNGRADE, {"rows": rows, "interval": 0.9}).json["intervals"]
    assert [json.loads(text) for text in sets["data"]] == [each["classes"] for each in in_rows]


def test_open_inference_refuses_levels_that_no_version_keeps(desk, rows_of):
    rows = rows_of("spread", 1)
    for level in (2, "high", 0.999):
        refused = desk.ask(V2.format("spread"), in_tensors(rows, interval=level))
        assert refused.status == 400
        assert "interval" in refused.json["error"] + refused.json.get("field", "")
    other = desk.ask(V2.format("liquidity_shock"), in_tensors(rows_of("liquidity_shock", 1), interval=0.9))
    assert other.status == 400
    assert "no conformal intervals" in other.json["error"]


def test_tensorflow_serving_refuses_an_interval_and_names_where_there_are_some(desk, rows_of):
    refused = desk.ask("/v1/models/spread:predict", {"instances": rows_of("spread", 1), "interval": 0.9})
    assert refused.status == 400
    assert "ask /api/v1/predict or /v2 for intervals" in refused.json["error"]


def test_a_version_without_intervals_says_so(desk, rows_of):
    row = rows_of("liquidity_shock", 1)[0]
    refused = desk.ask("/api/v1/predict/liquidity_shock", {"row": row, "interval": 0.9})
    assert (refused.status, refused.json["field"]) == (400, "interval")
    assert "the version has no conformal intervals" in refused.json["error"]


def test_a_version_is_explained_over_http(desk):
    found = desk.ask(EXPLAIN, {"n_rows": 40})
    assert found.status == 200
    report = found.json["report"]
    assert report["n_rows"] == 40
    assert report["sum_error"] < 1e-6
    assert report["scale"] == "asinh(spread / 10 bp)"
    assert "interactions" not in report
    report = desk.ask(EXPLAIN, {"n_rows": 40, "interactions": True}).json["report"]
    assert "of 40 rows" in report["interaction_method"]
    assert len(report["interactions"][0]["features"]) == 2


def test_a_row_is_explained_over_http(desk, rows_of):
    row = rows_of("spread", 1)[0]
    given = desk.ask(f"{EXPLAIN}/row", {"row": row, "interval": 0.9})
    assert given.status == 200
    report = given.json["report"]
    total = report["base"] + sum(each["contribution"] for each in report["contributions"])
    assert total == pytest.approx(report["margin"], abs=1e-6)
    assert report["prediction"] == pytest.approx(desk.ask(SPREAD, {"row": row}).json["prediction"], rel=1e-9)
    assert report["interval"]["level"] == 0.9
    assert desk.ask(f"{EXPLAIN}/row", {"row": 4, "reference_row": 5}).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (EXPLAIN, {"method": "guess"}, 400),
        (EXPLAIN, {"version": "9.9.9"}, 404),
        (EXPLAIN, {"output": "high"}, 400),
        (f"{EXPLAIN}/row", {"row": 10_000}, 404),
        (f"{EXPLAIN}/row", {"row": 0, "fixed": ["rating"]}, 400),
        (f"{EXPLAIN}/row", {"row": 0, "turn": "up"}, 400),
        (f"{EXPLAIN}/row", {"row": {"rating": "A"}}, 400),
        (f"{EXPLAIN}/row", {"row": 0, "interval": 2}, 400),
        ("/api/v1/models/nothing/explain", {}, 404),
    ],
)
def test_a_bad_question_is_refused(desk, path, body, status):
    refused = desk.ask(path, body)
    assert refused.status == status
    assert refused.json["error"]


def test_two_versions_are_compared_over_http(desk):
    found = desk.ask(f"{EXPLAIN}/compare", {"before": "1.0.0", "after": "1.0.0", "n_rows": 30})
    assert found.status == 200
    assert all(entry["change"] == 0 and not entry["is_clear"] for entry in found.json["features"])
    assert desk.ask(f"{EXPLAIN}/compare", {"before": "9.0.0", "after": "1.0.0"}).status == 404


OVER = "/api/v1/models/downgrade/explain/over"


@pytest.fixture(scope="module")
def relied(explained, desk):
    """The sums of contributions to 60 answers of the downgrade model, of which 40 were explained."""
    basis = ContributionBasis(("leverage_x", "outlook"), "sums of a test", "log odds", "1", "60 rows")
    with LiveWriter(explained.contributions_file, merged_contributions) as writer:
        for minutes in (20, 10):
            values = np.full((20, 2), [3.0, -1.0])
            at = int((utc_now() - timedelta(minutes=minutes)).timestamp()) // 60 * 60
            content = ContributionSketch.of(basis, values, 30).to_bytes()
            writer.add(CountedMinute("downgrade", "1.0.0", basis.number, at, 30, 4, content))
        writer.flush()
    return basis


def test_what_a_model_relied_on_while_it_served_is_told_over_http(desk, relied):
    for path in (f"{OVER}?over=1h", f"{OVER}?over=1h&version=1.0.0", OVER):
        answer = desk.ask(path)
        assert answer.status == 200, answer.json
        assert answer.json["model"] == "downgrade"
        (trend,) = (each for each in answer.json["trends"] if each["algorithm"] == relied.algorithm)
        assert (trend["version"], trend["n_rows"], trend["n_explained"]) == ("1.0.0", 60, 40)
        assert [(entry["feature"], entry["importance"]) for entry in trend["features"]] == [
            ("leverage_x", 3.0),
            ("outlook", 1.0),
        ]
        assert answer.json["not_explained"][0]["version"] == "1.0.0"


@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        (f"{OVER}?over=soon", 400, "soon"),
        (f"{OVER}?over=30s", 400, "must be from 1m to ten years, such as 7d."),
        (f"{OVER}?over={'9' * 41}", 400, "not a duration"),
        (f"{OVER}?version=9.9.9", 404, "9.9.9"),
        ("/api/v1/models/nothing/explain/over", 404, "nothing"),
    ],
)
def test_a_bad_question_about_what_a_model_relied_on_is_refused(desk, relied, path, status, named):
    refused = desk.ask(path)
    assert refused.status == status
    assert named in refused.json["error"]


@pytest.mark.journey
def test_what_a_model_relied_on_is_told_to_those_who_may_look(desk, relied, monkeypatch):
    monkeypatch.setattr(desk, "token", None)
    assert desk.ask(OVER).status == 401


def test_a_limited_grant_explains_its_models_in_its_stages_alone(explained, desk):
    """Rows that a version kept are shown to nobody whose grants cover other models, or other stages."""
    grants = Grants(explained)
    owner = Actor(grants.door.owner, "desk", Origin.COMMAND_LINE)
    token, secret = Tokens(explained).create("limited", Role.VIEWER, actor=owner)
    mine = {"authorization": f"Bearer {secret}"}
    robot = Principal.named(f"token:{token.token_id}")
    grants.grant(robot, "operator", actor=owner, models=["spr*"])
    asked = (
        ("explain", {}),
        ("explain/row", {"row": 3}),
        ("explain/compare", {"before": "1.0.0", "after": "1.0.0"}),
        ("explain/over?over=1h", None),
        ("drift", {"since_hours": 1}),
        ("profile", None),
        ("estimates", {"rows": [{}]}),
        ("labels", {}),
    )
    for path, body in asked:
        assert desk.ask(f"/api/v1/models/downgrade/{path}", body, headers=mine).status == 403, path
        assert desk.ask(f"/api/v1/models/spread/{path}", body, headers=mine).status != 403, path
    assert desk.ask(f"{EXPLAIN}/row", {"row": 3}, headers=mine).status == 200
    for path in ("evidence", "shift", "doctor", "access/roles"):
        assert desk.ask(f"/api/v1/{path}", headers=mine).status == 403, path

    grants.revoke([str(robot)], actor=owner)
    grants.grant(robot, "operator", actor=owner, models=["spr*"], stages=["Staging"])
    for path, body in asked:
        answer = desk.ask(f"/api/v1/models/spread/{path}", body, headers=mine)
        assert answer.status == 403, path
    assert "in Staging" in str(answer.json)
    grants.grant(robot, "operator", actor=owner, models=["spr*"], stages=["Production"])
    assert desk.ask(f"{EXPLAIN}/row", {"row": 3}, headers=mine).status == 200
