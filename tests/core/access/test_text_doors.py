"""Models of language write for those alone whose grants cover the model, and a refusal is in the audit log."""

import asyncio
import json

import pytest

from bondx.ml.model_fine_tuning import draft, write
from console.cli.main import main
from console.runtime.own_rights import OwnRights
from console.verbs.playground import PLAYGROUND
from console.verbs.version import VersionName
from core.access import AccessRefusedError
from core.actor import Actor
from core.api import MLOpsConfig
from core.governance import AuditLog
from core.governance.audit import _refusals
from core.serving.authenticator import Authenticator
from core.serving.limits import ServingLimits
from core.serving.peer_accounts import PeerAccount
from core.serving.predict import Predictor
from core.serving.stats import ServerStats
from core.serving.text_routes import TextRoutes
from core.settings import Settings
from core.settings.text_model import TextModelSettings
from core.text.sampling import SamplingOptions
from core.text.training import train_text_model
from core.training.text_models import register_text_model
from core.training.text_writing import open_writer, write_with_version
from tests.core.access.conftest import acting

REPORT = "as_of_date,book,var99_hist,limit_var,utilisation,breach_flag\n2024-03-28,GAS,10,20,0.5,false\n"
REFUSED = {"of another model": ("viewer", ["desk_*"]), "of a role of their own": ("trainer", ["desk_*"])}


@pytest.fixture(autouse=True)
def nothing_recorded_before(monkeypatch):
    monkeypatch.setattr(_refusals, "_recorded", {})


@pytest.fixture
def prose(workspace, grants, give, owner, tmp_path):
    """Return the workspace with a model of language; ben may ask models of the desk, cat may ask this one."""
    train_text_model(TextModelSettings(architecture="ngram", documents=200, judged_documents=20), tmp_path / "model")
    register_text_model(workspace, tmp_path / "model", "prose", Settings(), actor=owner, n_written=2)
    give("cat", "viewer", models=["pro*"])
    grants.define_role("trainer", ["session.*", "prediction.ask"], actor=owner)
    return workspace


def refusals(workspace):
    return [(each.object, each.after["verb"]) for each in AuditLog(workspace).tail(50) if each.verb == "access.refuse"]


@pytest.mark.parametrize("given", REFUSED.values(), ids=REFUSED)
def test_a_role_that_is_limited_to_other_models_lets_none_of_them_write(prose, give, given, monkeypatch, tmp_path):
    give("ben", given[0], models=given[1])
    monkeypatch.setattr(Actor, "current", classmethod(lambda _cls, _origin: acting("ben")))
    reports = tmp_path / "reports.csv"
    reports.write_text(REPORT)
    config = MLOpsConfig.from_yaml(workspace=prose.root)
    for door in (
        lambda: open_writer(prose, "prose", "1.0.0", actor=acting("ben")),
        lambda: write_with_version(prose, "prose", None, "", SamplingOptions(), actor=acting("ben")),
        lambda: write("prose", config=config),
        lambda: draft(reports, by="prose", config=config),
    ):
        with pytest.raises(AccessRefusedError, match=r"ben may not do prediction\.ask \(prose\)"):
            door()
    assert main(["--workspace", str(prose.root), "text", "draft", str(reports), "--by", "prose"]) == 3
    assert refusals(prose) == [("prose", "prediction.ask")]
    app = type("App", (), {"refusal": None, "rights": OwnRights(prose, acting("ben"), lambda: 0.0)})()
    assert "ben may not do prediction.ask" in PLAYGROUND.refused(app, VersionName("prose", "1.0.0"))


def test_a_role_that_covers_the_model_lets_it_write(prose):
    process = open_writer(prose, "prose", "1.0.0", actor=acting("cat"))
    process.close()
    written = write_with_version(prose, "prose", "1.0.0", "Risk", SamplingOptions(max_tokens=4), actor=acting("cat"))
    assert written.text.startswith("Risk")
    assert refusals(prose) == []


@pytest.mark.parametrize(("path", "body"), [("/api/v1/generate/prose", {}), ("/v1/completions", {"model": "prose"})])
def test_http_asks_for_the_grant_of_the_model(prose, give, path, body):
    give("ben", "viewer", models=["desk_*"])
    predictor = Predictor(Authenticator(prose), None, ServerStats(), ServingLimits())
    routes = TextRoutes(predictor)

    def status(account: str) -> int:
        sent = []

        async def receive():
            return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "headers": [], "client": (PeerAccount(account), 0)}
        asyncio.run(routes.answer(routes.target(path), scope, receive, send))
        return sent[0]["status"]

    assert status("ben") == 403
    assert refusals(prose) == [("prose", "prediction.ask")]
    assert status("cat") == 503  # nothing is served here, which is learnt by those who may ask
    assert status("stranger") == 403
    routes.close()
