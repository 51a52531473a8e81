"""Outcomes over HTTP: a class by name or number, a bound on every value, and what is matched and what waits."""

import sqlite3

import pytest
from litestar.testing import TestClient

from core.clock import utc_now
from core.losses import AnswerForm, AnswerKind, pack_probabilities
from core.serving.access import Role, Tokens
from core.serving.authenticator import Authenticator
from core.serving.control.application import control_application
from core.serving.counts import Counts
from core.serving.limits import ServingLimits
from core.serving.metrics import ServingMetrics
from core.serving.recording import PredictionRecorder
from core.serving.stats import ServerStats
from core.serving.table import ServingTable
from core.telemetry.predictions import PredictionReader, PredictionRecord, PredictionWriter
from core.view.source import take_snapshot

FORMS = {
    "rating": (AnswerForm(AnswerKind.PROBABILITIES, ("A", "B", "C")), None, pack_probabilities((0.5, 0.25, 0.25))),
    "default": (AnswerForm(AnswerKind.PROBABILITIES, ("no", "yes")), 0.25, None),
    "spread": (AnswerForm(AnswerKind.NUMBER), 120.0, None),
    "anomaly": (AnswerForm(AnswerKind.SCORE), 0.7, None),
}


@pytest.fixture
def recorder(workspace):
    with PredictionWriter(workspace.predictions_file) as writer:
        for name, (form, value, detail) in FORMS.items():
            more = {"latency_ms": 1.0, "value": value, "form": form, "detail": detail}
            writer.add(PredictionRecord(name, utc_now(), name, "1.0.0", **more))
        writer.flush()
    opened = PredictionRecorder(workspace, ServerStats())
    yield opened
    opened.close()


@pytest.fixture
def api(workspace, ana, recorder):
    table = ServingTable()
    application = control_application(
        workspace, Authenticator(workspace), recorder, lambda: table, ServingLimits(outcome_limit=1e6)
    )
    _, secret = Tokens(workspace).create("robot", Role.VIEWER, actor=ana)
    with TestClient(application) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        yield client


def report(api, *outcomes):
    return api.post("/api/v1/outcomes", json={"outcomes": list(outcomes)})


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param({"request_id": "rating", "actual": "B"}, id="a class by name"),
        pytest.param({"request_id": "rating", "actual": 2}, id="a class by number"),
        pytest.param({"request_id": "default", "actual": "YES"}, id="a class in another case"),
        pytest.param({"request_id": "default", "actual": True}, id="true"),
        pytest.param({"request_id": "spread", "actual": 118.5}, id="a number"),
        pytest.param({"request_id": "spread", "actual": "wide", "loss": 2}, id="a loss of the caller's"),
        pytest.param({"request_id": "anomaly", "loss": 0.5}, id="the loss of an anomaly score"),
    ],
)
def test_an_outcome_that_can_be_judged_by_is_stored(api, workspace, outcome):
    assert report(api, outcome).json() == {"n_accepted": 1, "n_matched": 1, "n_unmatched": 0, "n_repeated": 0}
    assert PredictionReader(workspace.predictions_file).n_outcomes(outcome["request_id"], "1.0.0") == 1


@pytest.mark.parametrize(
    ("outcome", "field", "says"),
    [
        pytest.param({"request_id": "rating", "actual": "D"}, "actual", "the classes are A, B, C", id="no such class"),
        pytest.param({"request_id": "rating", "actual": 3}, "actual", "the classes are A, B, C", id="no such number"),
        pytest.param({"request_id": "spread", "actual": "wide"}, "actual", "give a number", id="a name for a number"),
        pytest.param({"request_id": "anomaly", "actual": 1}, "actual", "report `loss`", id="an anomaly score"),
        pytest.param({"request_id": "spread", "actual": 1e200}, "actual", "from -1e+06 to 1e+06", id="absurd"),
        pytest.param({"request_id": "nobody", "loss": -1e7}, "loss", "from -1e+06 to 1e+06", id="an absurd loss"),
        pytest.param({"request_id": "spread"}, None, "requires `actual` or `loss`", id="nothing"),
    ],
)
def test_what_cannot_be_judged_by_is_refused_and_nothing_of_the_report_is_stored(api, recorder, outcome, field, says):
    answer = report(api, {"request_id": "default", "actual": "no"}, outcome)
    assert answer.status_code == 400
    assert answer.json()["field"] == ("outcomes[1]" + (f".{field}" if field else ""))
    assert says in answer.json()["error"]
    assert recorder.health().n_matched == 0


def test_infinity_is_no_number_of_json(api):
    body = '{"outcomes": [{"request_id": "spread", "actual": 1e999}]}'
    answer = api.post("/api/v1/outcomes", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


@pytest.mark.parametrize("row", [10**30, 2**63, 1_000_000, -1])
def test_a_row_that_no_request_can_have_is_refused(api, recorder, row):
    answer = report(api, {"request_id": "spread", "row": row, "actual": 118.5})
    assert answer.status_code == 400, answer.text
    assert recorder.health().n_matched == 0


def test_only_the_first_outcome_of_a_request_is_accepted(api, workspace):
    first, second = ({"request_id": "spread", "actual": actual} for actual in (118.5, 120.5))
    early, other_row = {"request_id": "later", "loss": 1}, {"request_id": "later", "row": 1, "loss": 1}
    found = report(api, first, early, second, {"request_id": "later", "row": 0, "loss": 2}, other_row).json()
    assert found == {"n_accepted": 3, "n_matched": 1, "n_unmatched": 2, "n_repeated": 2}
    found = report(api, second, early, {"request_id": "rating", "actual": "B"}).json()
    assert found == {"n_accepted": 1, "n_matched": 1, "n_unmatched": 0, "n_repeated": 2}
    with sqlite3.connect(workspace.predictions_file) as store:
        assert store.execute("SELECT actual FROM outcome ORDER BY seq").fetchall()[0] == (118.5,)
        assert store.execute("SELECT loss FROM waiting ORDER BY seq").fetchall() == [(1.0,), (1.0,)]


def test_unmatched_outcomes_are_counted_and_matched_when_their_prediction_comes(api, workspace, recorder):
    found = report(api, {"request_id": "later", "actual": 1}, {"request_id": "spread", "actual": 1.0}).json()
    assert found == {"n_accepted": 2, "n_matched": 1, "n_unmatched": 1, "n_repeated": 0}
    assert api.get("/api/v1/predictions/usage").json()["n_unmatched"] == 1
    stats = ServerStats()
    metrics = ServingMetrics(
        workspace, lambda: Counts.of(stats, recorder.health()), recorder, lambda: take_snapshot(workspace)
    )
    told = metrics.text().decode()
    assert 'bondx_outcomes_total{state="unmatched"} 1.0' in told
    assert 'bondx_outcomes_total{state="matched"} 1.0' in told
    assert "bondx_outcomes_waiting 1.0" in told
    with PredictionWriter(workspace.predictions_file) as writer:
        writer.add(PredictionRecord("later", utc_now(), "spread", "1.0.0", latency_ms=1.0, value=2.0))
        writer.flush()
    assert "bondx_outcomes_waiting 0.0" in metrics.text().decode()


def test_the_traffic_of_a_version_is_read_by_minute_and_hour_and_a_bad_period_is_named(api):
    path = "/api/v1/predictions/traffic"
    hours, minutes = api.get(path).json(), api.get(f"{path}?by=minute&model=spread").json()
    assert {(span["model"], span["n_requests"]) for span in hours} >= {("spread", 1)}
    assert [(span["model"], span["n_failed"], span["error_share"]) for span in minutes] == [("spread", 0, 0.0)]
    assert minutes[0]["p95_ms"] is not None
    assert api.get(f"{path}?model=unknown").json() == []
    for query, says in (
        ("since=2026-03-01T02:50", "RFC3339"),
        ("since=0001-01-01T00:00:00Z", "is outside the years"),
        ("by=second", "by"),
        ("since=2026-03-02T00:00:00Z&until=2026-03-01T00:00:00Z", "must end after"),
    ):
        answer = api.get(f"{path}?{query}")
        assert answer.status_code == 400, answer.text
        assert says in answer.text


def test_the_usage_of_the_store_says_what_retention_costs(api):
    usage = api.get("/api/v1/predictions/usage").json()
    (every,) = usage["models"]
    assert (every["model"], every["n_rows"], every["keep_days"], every["keep_rows"]) == ("", 4, 30.0, 10_000_000)
    assert every["mib_at_most"] == pytest.approx(10_000_000 * usage["bytes_per_row"] / 2**20, rel=0.01)
