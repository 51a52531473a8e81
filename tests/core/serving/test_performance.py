"""Performance end to end: a real server answers over HTTP, outcomes come late, and every face says the same."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from core.models.outcomes import Outcomes
from core.monitoring.data_profile import PROFILE_NAME
from core.monitoring.profiling import profile_columns, profile_of
from core.serving.access import Role, Tokens
from core.tables.signature import ColumnKind
from tests.core.serving.conftest import running
from tests.waiting import until

ROUNDS, LATE, AWAITED = 40, 10, 10


@pytest.fixture
def profiled(artifacts, tmp_path, bonds):
    """A spread model with the profile of answers that were off by 1 on average."""
    folder = tmp_path / "profiled"
    shutil.copytree(artifacts / "spread", folder)
    rows = pd.DataFrame({"seniority": pd.Categorical(bonds["seniority"].astype(str))})
    noise = np.random.default_rng(0).normal(size=len(rows))
    held_out = Outcomes(rows, np.full(len(rows), 100.0), 100.0 + noise)
    columns = profile_columns(rows, {"seniority": ColumnKind.CATEGORY})
    profile = profile_of(columns, features=("seniority",), target=None, group=None, held_out=held_out)
    (folder / PROFILE_NAME).write_bytes(profile.to_bytes())
    return folder


def test_late_outcomes_count_and_a_fall_is_proved(workspace, put_live, profiled, rows_of, ana, called):
    put_live(workspace, "spread", profiled)
    rows = rows_of("spread", 60)
    with running(workspace) as server:
        server.token = Tokens(workspace).create("desk", Role.OPERATOR, actor=ana)[1]
        answers = {}
        for number in range(ROUNDS * 3):
            request = {"row": rows[number % len(rows)], "request_id": f"r{number}"}
            answers[f"r{number}"] = server.ask("/api/v1/predict/spread", request).json["prediction"]
        n_known = len(answers) - AWAITED
        requests = list(answers)[:n_known]
        errors = dict(zip(requests, np.random.default_rng(1).normal(0, 9, n_known).tolist(), strict=True))
        for part in (requests[:-LATE], requests[-LATE:]):  # the last come later than the rest
            outcomes = [{"request_id": each, "actual": answers[each] + errors[each]} for each in part]
            assert server.ask("/api/v1/outcomes", {"outcomes": outcomes}).status == 202

        def report():
            return server.ask("/api/v1/models/spread/performance").json["report"]

        until(lambda: report()["n_outcomes"] == n_known, "every outcome being read")
        found = report()
        assert server.ask("/api/v1/models/spread/performance?by=sector").status == 400
        assert server.ask("/api/v1/models/spread/performance?version=9.9.9").status == 404
    assert found["n_answered"] == len(answers)
    assert found["awaited_share"] == pytest.approx(AWAITED / len(answers))
    metrics = {each["metric"]: each for each in found["metrics"] if not each.get("window")}
    assert metrics["mae"]["value"] == pytest.approx(float(np.mean(np.abs(list(errors.values())))), rel=1e-6)
    assert metrics["rmse"]["verdict"] == found["verdict"] == "fell"
    assert found["worst_slice"]["slice"].startswith("seniority=")
    arguments = ("--workspace", workspace.root, "performance", "show", "spread")
    code, out, _ = called(main, *arguments, "--json")
    assert code == 1
    assert json.loads(out)["report"]["metrics"][0]["value"] == pytest.approx(metrics["rmse"]["value"])
    code, out, _ = called(main, *arguments, "--window", "day", "--by", "seniority")
    assert code == 1
    assert f"{n_known} outcomes of {len(answers)} answers since" in out
    assert "\nfell: rmse " in out
    assert called(main, *arguments, "--window", "day", "--by", "Seniority")[1] == out
    code, _, err = called(main, *arguments, "--by", "sector")
    assert code == 2
    assert "its slice columns: seniority" in err
    workspace.settings_file.write_text("explanation:\n  denied_columns: [senior*]\n")
    code, out, _ = called(main, *arguments)
    assert (code, "seniority" in out) == (1, False)
    code, _, err = called(main, *arguments, "--by", "seniority")
    assert code == 2
    assert "The slices of 'seniority' are not shown: explanation.denied_columns names it." in err
