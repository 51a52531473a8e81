"""Drift and estimated performance of given rows, over HTTP and in Python: what the commands say of the same rows."""

import json

import numpy as np
import pandas as pd
import pytest

from bondx.ml import ModelMonitoringService, explain
from console.cli.main import main
from console.mlops.cli import main as mlops
from core.api import MLOpsConfig
from core.errors import UsageError
from core.serving.access import Role, Tokens
from core.state import Workspace


def prices(seed, n=400, *, shift=0.0):
    rng = np.random.default_rng(seed)
    size, grade = rng.normal(size=n) + shift, rng.choice(["A", "B"], n)
    return pd.DataFrame({"size": size, "grade": grade, "price": 3 * size + (grade == "A") + rng.normal(0, 0.5, n)})


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    prices(1, 600).to_csv(folder / "prices.csv", index=False)
    home = ["--workspace", str(folder / "ws")]
    assert main(["init", *home]) == 0
    assert mlops(["train", *home, "--model", "pricing", "--data", str(folder / "prices.csv"), "--target", "price"]) == 0
    return Workspace.open(folder / "ws")


@pytest.fixture
def said(home, called, tmp_path):
    """Return what a command says of rows in a file."""

    def said(frame, *verb):
        file = tmp_path / "rows.jsonl"
        file.write_text("".join(f"{json.dumps(row)}\n" for row in frame.to_dict("records")))
        return json.loads(called(main, *verb, "--workspace", home.root, "pricing", "--data", file, "--json")[1])

    return said


@pytest.mark.journey
def test_rows_over_http_get_the_verdicts_of_the_same_rows_in_a_file(home, said, running, ana):
    moved = prices(2, shift=1.0)
    rows = moved.to_dict("records")
    operator, viewer = (Tokens(home).create(role.value, role, actor=ana)[1] for role in (Role.OPERATOR, Role.VIEWER))
    with running(home) as server:
        server.token = operator
        drift = server.ask("/api/v1/models/pricing/drift", {"rows": rows})
        estimate = server.ask("/api/v1/models/pricing/estimates", {"rows": rows, "version": "1.0.0"})
        served = server.ask("/api/v1/models/pricing/drift", {"since_hours": 6})
        both = server.ask("/api/v1/models/pricing/drift", {"rows": rows, "since_hours": 6})
        few = server.ask("/api/v1/models/pricing/estimates", {"rows": rows[:3]})
        unknown = server.ask("/api/v1/models/curve/drift", {"rows": rows[:3]})
        server.token = viewer
        assert server.ask("/api/v1/models/pricing/drift", {"rows": rows}).status == 403
    assert (drift.status, drift.json["report"]["verdict"]) == (200, "alarm")
    assert drift.json["report"] == said(moved, "drift", "check")["report"]
    assert estimate.json["report"] == said(moved, "performance", "estimate")["report"]
    assert drift.json["data_sha256"] == estimate.json["data_sha256"] == ""
    assert (served.status, "No row of pricing 1.0.0 was counted" in served.json["error"]) == (400, True)
    assert (both.status, both.json["field"]) == (400, "since_hours")
    assert (few.status, "There are 3 rows" in few.json["error"]) == (400, True)
    assert unknown.status == 404


def test_true_in_a_column_of_numbers_is_no_number(home, running, ana):
    rows = prices(2).assign(size=True).to_dict("records")
    with running(home) as server:
        server.token = Tokens(home).create("operator", Role.OPERATOR, actor=ana)[1]
        drift = server.ask("/api/v1/models/pricing/drift", {"rows": rows})
        loss = server.ask("/api/v1/outcomes", {"outcomes": [{"request_id": "a", "loss": True}]})
    first = drift.json["report"]["alerts"][0]
    assert (first["type"], first["message"]) == ("quality", "size: unreadable: 100.00% of the cells hold no number")
    assert (loss.status, loss.json["field"]) == (400, "outcomes[0].loss")


def test_a_batch_in_python_gets_the_verdicts_of_the_same_rows_in_a_file(home, said):
    service = ModelMonitoringService(MLOpsConfig.from_yaml(workspace=home.root))
    moved = prices(2, shift=1.0)
    found = service.check_batch("pricing", moved)
    assert found.report.verdict == said(moved, "drift", "check")["report"]["verdict"] == "alarm"
    figure = service.estimate_batch("pricing", moved, version="1.0.0").report.figures[0]
    assert figure.value == pytest.approx(said(moved, "performance", "estimate")["report"]["figures"][0]["value"])
    with pytest.raises(UsageError, match="No row of pricing"):
        service.check_served("pricing")
    with pytest.raises(UsageError, match=r"There are 3 rows"):
        service.estimate_batch("pricing", moved.head(3))


@pytest.mark.journey
@pytest.mark.parametrize(
    "cells",
    [
        pytest.param({"size": "abc", "grade": "A"}, id="a text for a number"),
        pytest.param({"size": True, "grade": "A"}, id="a flag for a number"),
        pytest.param({"size": [1.0], "grade": "A"}, id="a list for a number"),
        pytest.param({"size": 1.0, "grade": 7}, id="a number for a text"),
        pytest.param({"size": None, "grade": "A"}, id="no number, where no row lacked one"),
        pytest.param({"size": 1.0}, id="a missing field"),
    ],
)
def test_a_row_that_no_prediction_takes_is_not_explained_and_is_refused_alike(home, running, ana, called, cells):
    with running(home) as server:
        server.token = Tokens(home).create("operator", Role.OPERATOR, actor=ana)[1]
        for asked, path in (({"row": cells}, "explain/row"), ({"rows": [cells]}, "explain")):
            predicted = server.ask("/api/v1/predict/pricing/versions/1.0.0", asked)
            explained = server.ask(f"/api/v1/models/pricing/{path}", {**asked, "version": "1.0.0"})
            assert (predicted.status, explained.status) == (400, 400)
            assert (explained.json["error"], explained.json["field"]) == (
                predicted.json["error"],
                predicted.json["field"],
            )
        sentence = server.ask("/api/v1/predict/pricing/versions/1.0.0", {"row": cells}).json["error"]
    with pytest.raises(UsageError) as refused:
        explain("pricing", row=cells, config=MLOpsConfig.from_yaml(workspace=home.root))
    assert str(refused.value) == sentence
    line = ("explain", "--workspace", home.root, "pricing", "--row", json.dumps(cells))
    assert called(main, *line) == (2, "", f"bondx: {sentence}\n")


def test_a_row_with_a_key_twice_is_not_explained(home, called):
    line = ("explain", "--workspace", home.root, "pricing", "--row", '{"size": 1, "size": 2, "grade": "A"}')
    code, _, err = called(main, *line)
    assert (code, "--row has the key 'size' twice in one object" in err) == (2, True)
