"""Wanted labels end to end: a real server answers, a few outcomes are asked for, reported, and decide on every face."""

import shutil

import numpy as np
import pandas as pd
import pytest

from bondx.ml import ModelMonitoringService
from core.api import MLOpsConfig
from core.governance.audit_log import AuditLog
from core.monitoring.estimation.held_out import HELD_OUT_NAME, HeldOutRows
from core.serving.access import Role, Tokens
from core.state import Workspace
from core.telemetry.predictions import PredictionReader
from tests.core.serving.conftest import running
from tests.monitored import monitored
from tests.waiting import until

N = 120
LABELS = "/api/v1/models/spread/labels"
SAMPLED = "policy: {promotion: {min_accuracy: 0}}\nserving: {log_features: {share: 1, mask: ['*']}}\n"


@pytest.fixture
def held(artifacts, tmp_path):
    """A spread model that was off by 0.8 on average on its held-out rows."""
    folder = tmp_path / "held"
    shutil.copytree(artifacts / "spread", folder)
    answer = np.linspace(50.0, 400.0, 200)
    kept = HeldOutRows(
        pd.DataFrame(index=range(200)),
        answer,
        answer + np.random.default_rng(0).normal(size=200),
        (),
        None,
        None,
        "",
        (),
    )
    (folder / HELD_OUT_NAME).write_bytes(kept.to_bytes())
    return folder


def test_a_few_wanted_outcomes_decide_over_http_and_in_python(tmp_path, put_live, held, rows_of, ana):
    workspace = Workspace.create(tmp_path / "desk", settings_text=SAMPLED)
    put_live(workspace, "spread", held)
    rows = rows_of("spread", 60)
    with running(workspace) as server:
        server.token = Tokens(workspace).create("desk", Role.OPERATOR, actor=ana)[1]
        assert server.ask(LABELS, {}).status == 400  # nothing has been answered yet
        assert server.ask(LABELS).status == 404
        answers = {}
        for number in range(N):
            request = {"row": rows[number % len(rows)], "request_id": f"r{number}"}
            answers[f"r{number}"] = server.ask("/api/v1/predict/spread", request).json["prediction"]
        recorded = PredictionReader(workspace.predictions_file)
        until(lambda: recorded.holds(f"r{N - 1}"), "every answer being recorded")
        until(lambda: server.ask(LABELS, {"n": 30, "reason": "odd prices"}).status == 200, "the rows being sampled")
        wanted = server.ask(LABELS, {"n": 30}).json
        assert (wanted["is_new"], len(wanted["requests"]), wanted["loss"]) == (False, 30, "absolute error")
        assert "tenth of the answers" in wanted["drawn_by"]
        assert server.ask(LABELS, {"n": 501}).status == 400

        given = server.ask(LABELS, {"n": 60, "requests": [*answers, "unknown"], "reason": "all of them"}).json
        assert (given["is_new"], given["n_rows"]) == (True, N)
        outcomes = [
            {"request_id": each["request_id"], "row": each["row"], "actual": answers[each["request_id"]] + 9.0}
            for each in given["requests"]
        ]
        assert server.ask("/api/v1/outcomes", {"outcomes": outcomes}).status == 202
        until(lambda: server.ask(LABELS).json["labels"]["n_outcomes"] == 60, "every outcome being read")
        judged = server.ask(LABELS).json["labels"]
    assert (judged["verdict"], judged["draw"]) == ("fell", "spread@1.0.0/2")
    assert judged["low"] <= 9.0 <= judged["high"]
    service = ModelMonitoringService(MLOpsConfig.from_yaml(workspace=workspace.root))
    assert service.labels_judged("spread").labels.verdict == "fell"
    again = service.labels_wanted("spread", 60)
    assert [each.request_id for each in again.requests] == [each["request_id"] for each in given["requests"]]
    reasons = [record.reason for record in AuditLog(workspace).tail(20) if record.verb == "labels.draw"]
    assert reasons == ["odd prices", "all of them"]


def test_the_last_estimate_is_returned_or_why_there_is_none(server, served):
    monitored(served, "spread")
    try:
        found = server.ask("/api/v1/models/spread/estimate")
        assert (found.status, found.json["version"], found.json["estimate"]["metrics"][0]["value"]) == (
            200,
            "1.0.0",
            10.4,
        )
        missing = server.ask("/api/v1/models/spread/estimate?version=7.0.0")
        assert (missing.status, missing.json["error"]) == (
            404, "spread 7.0.0 is not live, so no engine estimates it. Live: 1.0.0."
        )  # fmt: skip
        service = ModelMonitoringService(MLOpsConfig.from_yaml(workspace=served.root))
        assert service.estimate_performance("spread").estimate.blind_to
    finally:
        monitored(served)
    assert server.ask("/api/v1/models/spread/estimate").status == 404


def test_a_version_without_held_out_rows_says_how_to_get_some_and_a_viewer_may_not_ask(server, tokens):
    def ask(role):
        return server.ask(LABELS, {}, headers={"authorization": f"Bearer {tokens[role]}"})

    refused = ask(Role.OPERATOR)
    assert refused.status == 400
    assert "Train it again" in refused.json["error"]
    assert ask(Role.VIEWER).status == 403
