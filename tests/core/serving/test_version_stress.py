"""Registered versions are stressed by name, on the command line and over HTTP."""

import functools
import json

import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.domains.bonds.models.spread import SpreadModel
from core.domains.registry import session_domain
from core.monitoring.data_profile import PROFILE_NAME
from core.monitoring.profiling import kinds_of, profile_columns, profile_of, time_of
from core.registry import Registry
from core.serving.access import Role, Tokens
from core.stress.choosing import drawn_request
from core.stress.stored_tests import StressTests

ANA = Actor("ana", "desk-1", Origin.CONSOLE)


@pytest.fixture
def registered(workspace, tmp_path):
    panel = session_domain("bonds").draw(drawn_request("bonds", n_rows=300, seed=9))
    model, folder = SpreadModel("linear"), tmp_path / "model"
    model.fit(panel, seed=1)
    model.save(folder)
    kinds = kinds_of(panel.frame)
    columns = profile_columns(panel.frame, kinds, "issuer_id", time_of(kinds))
    features = tuple(column for column in model.feature_importance() if column != "issuer_id")
    profile = profile_of(columns, features=features, target=model.label, group="issuer_id", held_out=None)
    (folder / PROFILE_NAME).write_bytes(profile.to_bytes())
    return Registry(workspace).register("spread", folder, metrics={}, lineage={}, gates=(), actor=ANA)


@pytest.fixture
def stress(called, workspace):
    return functools.partial(called, main, "--workspace", workspace.root, "stress")


def test_a_version_is_stressed_on_the_command_line(stress, workspace, registered):
    words = ("--scenario", "global_liquidity_freeze", "--severity", "severe", "--rows", "400")
    code, out, err = stress("run", "--model", "spread@1.0.0", *words)
    assert (code, err) == (0, "")
    assert "spread@1.0.0 against the truth of each scenario" in out
    for seen in ("calm", "CALIBRATION", "RANKING", "credit_cycle 1", "liquidity_index_median", "kept as st-0001"):
        assert seen in out
    assert StressTests(workspace).get("st-0001").models == ("spread@1.0.0",)
    assert "spread@1.0.0 against the truth" in stress("show")[1]
    answer = json.loads(stress("run", "--model", "spread", *words, "--dry-run", "--json")[1])
    (found,) = answer["report"]["models"]
    assert found["model"] == "spread@1.0.0"
    assert found["cases"][0]["figures"]["error"] > 2 * found["calm"]["figures"]["error"]
    stress("run", "--model", "spread", *words)
    compared = stress("compare", "st-0001", "st-0002")[1]
    assert "1.0.0 1.0.0" in compared
    assert "ATTAINMENT_BEFORE" in compared


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "spread@9.9.9"), "9.9.9"),
        (("--model", "nothing"), "nothing"),
        (("--model", "spread", "--portfolio", "book.csv"), "leave the file of positions out"),
        (("--model", "spread", "--domain", "etrm"), "spread@1.0.0 is no model of the domain etrm"),
    ],
)
def test_what_cannot_be_stressed_is_named(stress, registered, words, message):
    code, _, err = stress("run", *words)
    assert code == 2
    assert message in err


@pytest.mark.journey
def test_a_version_is_stressed_over_http(workspace, running, registered):
    wish = {"n_rows": 200, "scenarios": ["inflation"], "severities": ["mild"], "models": ["spread"]}
    with running(workspace) as server:
        server.token = Tokens(workspace).create("op", Role.OPERATOR, actor=ANA)[1]
        made = server.ask("/api/v1/stress", wish)
        shown = server.ask("/api/v1/stress/st-0001")
        both = server.ask("/api/v1/stress", {"positions": [{"bond_id": "A"}], "models": ["spread"]})
        missing = server.ask("/api/v1/stress", wish | {"models": ["spread@9.9.9"]})
    assert (made.status, made.json["models"]) == (201, ["spread@1.0.0"])
    assert shown.json["models"][0]["cases"][0]["scenario"] == "inflation"
    assert (both.status, missing.status) == (400, 404)
