"""A domain of another package: trained by a session, registered and served, without any mention in core."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from console.cli.main import main
from console.presentation.sessions import detail_lines
from core.actor import Actor, Origin
from core.domains.registry import domain_names, find_domain
from core.engine import Engine
from core.errors import ExitCode, UsageError
from core.models.errors import UninstalledModelError, UnknownAlgorithmError
from core.plugins import PluginLoadError, UnknownPluginError
from core.registry import Registry
from core.serving.scoring.warming import warm_scorer
from core.settings import ModelSettings, TrainingSettings
from core.state import Workspace
from core.training.session import SessionPhase
from core.training.session_domain import DomainSettingsError, checked
from core.training.sessions import Sessions
from core.training.version_profile import profile_of_version
from tests.packages import installed
from tests.waiting import until
from widgets.glyphs import UNICODE

ADA = Actor("ada", "desk", Origin.COMMAND_LINE)
PACKAGE = Path(__file__).parent / "loan_package"
BOTH = {"loss": ModelSettings(), "median": ModelSettings(algorithm="running_median")}
SHORT = TrainingSettings(domain="loans", dataset_size=200, max_epochs=2, models=BOTH)


@pytest.fixture(scope="module")
def loans(tmp_path_factory):
    """Install the package as pip would, for this process and for later child processes."""
    folder = tmp_path_factory.mktemp("site")
    for file in PACKAGE.glob("*.py"):
        shutil.copy(file, folder)
    declared = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["entry-points"]
    domains = declared["bondx.domains"] | {"broken": "no_such_package:BROKEN", "odd": "core.errors:UsageError"}
    with installed(folder, "loans", declared | {"bondx.domains": domains}):
        yield folder


@pytest.fixture(scope="module")
def finished(loans, tmp_path_factory):
    """A workspace with a finished session on loans, and that session."""
    workspace = Workspace.create(tmp_path_factory.mktemp("loans") / "workspace", settings_text="{}\n")
    sessions = Sessions(workspace)
    session_id = sessions.start(SHORT, name="loans", actor=ADA).session_id
    engine = Engine(workspace, mode="headless", actor=ADA)
    engine.start()
    try:
        until(lambda: sessions.get(session_id).observed.phase.is_at_rest, "the end of the session")
    finally:
        engine.stop(0)
    return workspace, sessions.get(session_id)


def test_a_session_trains_all_models_of_the_domain_unless_the_settings_name_some(loans):
    assert checked(TrainingSettings(domain="loans")).models == {"loss": ModelSettings()}


def test_a_session_trains_the_domain_and_registers_its_models(finished):
    workspace, session = finished
    assert (session.observed.phase, session.observed.failure) == (SessionPhase.FINISHED, None)
    assert session.observed.registered == ("loss/1.0.0", "median/1.0.0")
    version = Registry(workspace).get("loss", "1.0.0")
    assert version.metrics["attainment"] > 0.9, "under the bare name: the domain's first test panel"
    assert "of 200 loans" in version.description


def test_its_version_carries_the_distribution_of_its_training_data(finished):
    workspace, _ = finished
    report = json.loads((workspace.artifacts_dir / "loss" / "1.0.0" / "report.json").read_text())
    profile = report["data_profile"]
    assert {"mean", "sd", "median"} <= set(profile["amount"])
    assert sum(profile["grade"].values()) == pytest.approx(1.0, abs=1e-4)
    assert "loan" not in profile, "a column of names has no distribution"


def test_its_version_carries_the_profile_that_later_batches_are_compared_with(finished):
    workspace, _ = finished
    profile = profile_of_version(Registry(workspace), "loss", "1.0.0")
    assert "amount" in [column.name for column in profile.features]
    assert profile.held_out > 0
    assert profile.prediction is not None
    assert profile.residual is not None


def test_its_reports_use_the_domains_own_words(finished):
    workspace, session = finished
    report = (workspace.reports_dir / session.session_id / "final_report.md").read_text()
    assert "No borrower in these figures is real." in report
    assert "| panel | seed | rows | borrowers | SHA-256 |" in report
    assert "## Terms\n\nWhat was lent.\n\n| term | value |\n| --- | ---: |\n| noise | 0.5 |\n" in report
    assert "bond" not in report.replace("bondx data reproduce", "")  # the command; no word of another domain


def test_its_own_section_is_shown_with_the_session(finished):
    _, session = finished
    lines = [line.text for line in detail_lines(session, UNICODE)]
    assert lines[lines.index("Terms") + 1 :][:4] == ["term   value", "noise    0.5", "seed      42", "What was lent."]


def test_its_version_is_served_by_a_compiled_scorer(finished, loans):
    workspace, _ = finished
    scorer = warm_scorer(Registry(workspace).load_path("loss", "1.0.0"))
    assert scorer.is_fast
    assert scorer.signature.unit == "kEUR"
    assert [field.name for field in scorer.signature.fields] == ["amount", "rate", "grade"]
    rows = scorer.signature.from_rows(
        [scorer.signature.row(f0=20.0, f1=4.0, f2="B"), scorer.signature.row(f0=20.0, f1=4.0, f2="C")]
    )
    one, other = scorer.answer(rows)
    assert one == pytest.approx(np.log(20.0) + 1.2 + 1.5, abs=0.5)
    assert other - one == pytest.approx(1.5, abs=0.5)


def test_a_packages_own_model_trains_with_its_own_algorithm_and_is_served_through_predict(finished):
    workspace, _ = finished
    version = Registry(workspace).get("median", "1.0.0")
    assert "attainment" not in version.metrics
    scorer = warm_scorer(Registry(workspace).load_path("median", "1.0.0"))
    answers = scorer.answer(scorer.signature.from_rows([{"amount": 20.0}, {"amount": 30.0}]))
    assert answers[0] == answers[1] == pytest.approx(6.0, abs=1.5)


def test_domains_are_listed_without_importing_any(loans):
    assert set(domain_names()) >= {"bonds", "table", "loans", "broken", "odd"}


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        (
            {"domain": "loan"},
            UnknownPluginError,
            "no domain 'loan'. Known domains: bonds, etrm, table, broken",
        ),
        ({"domain": "broken"}, PluginLoadError, "no_such_package:BROKEN"),
        ({"domain": "odd"}, PluginLoadError, "The domain 'odd' .* is not a"),
        ({"domain": "table"}, UsageError, "bondx-mlops train"),
        ({"domain_settings": {"nois": 1}}, DomainSettingsError, "unknown field `nois`.*Its settings: noise"),
        ({"domain_settings": {"noise": -1}}, DomainSettingsError, r"`float` >= 0.0 - at `\$.noise`"),
        (
            {"models": {"los": ModelSettings()}},
            UninstalledModelError,
            "no model 'los'. Models to choose from: loss, median",
        ),
        (
            {"models": {"median": ModelSettings(algorithm="linear")}},
            UnknownAlgorithmError,
            "median cannot be trained with algorithm 'linear'. Algorithms to choose from: auto, running_median",
        ),
        (
            {"models": {"spread": ModelSettings()}},
            UninstalledModelError,
            "no model 'spread'. Models to choose from: loss",
        ),
        (
            {"models": {"loss": ModelSettings(algorithm="lightbgm")}},
            UnknownAlgorithmError,
            "loss cannot be trained with algorithm 'lightbgm'. Algorithms to choose from: auto, linear, lightgbm",
        ),
    ],
    ids=lambda value: None if not isinstance(value, dict) else str(value)[:40],
)
def test_an_untrainable_session_is_refused_on_request(loans, workspace, changes, error, says):
    settings = TrainingSettings(**{"domain": "loans"} | changes)
    with pytest.raises(error, match=says):
        Sessions(workspace).start(settings, name="", actor=ADA)
    assert Sessions(workspace).all() == []


def test_what_a_session_computes_follows_from_the_settings_of_its_domain(loans):
    from core.training.panels import SessionPanels

    quiet, loud = (
        SessionPanels(TrainingSettings(domain="loans", domain_settings={"noise": noise})).epoch(1) for noise in (0, 9)
    )
    assert quiet.record.sha256 != loud.record.sha256
    assert quiet.record.n_groups == quiet.panel.frame["borrower"].nunique()
    assert find_domain("loans").name == "loans"


def test_a_domain_without_groups_or_truth_splits_its_rows_one_by_one(loans, monkeypatch):
    from core.models import Panel
    from core.training.panels import SessionPanels

    plain = find_domain("loans").__class__()
    draw = plain.draw
    plain.group_column = None
    plain.draw = lambda request: Panel(draw(request).frame)
    monkeypatch.setattr("core.training.panels.domain_of", lambda settings: plain)
    panels = SessionPanels(SHORT)
    drawn = panels.epoch(1)
    learned, holdout = panels.split(drawn.panel, 1)
    assert (drawn.record.n_rows, drawn.record.n_groups) == (200, 200)
    assert (len(learned.frame), len(holdout.frame)) == (160, 40)
    assert not set(learned.frame["loan"]) & set(holdout.frame["loan"])
    assert learned.truth is None


def test_its_data_can_be_generated_without_a_line_of_its_own(loans, tmp_path, capsys):
    written = tmp_path / "loans"
    assert main(["data", "generate", "loans", "--rows", "50", "--seed", "7", "--out", str(written), "--json"]) == 0
    lineage = json.loads(capsys.readouterr().out)
    assert (lineage["domain"], lineage["content"]["n_rows"], lineage["notice"]) == (
        "loans",
        50,
        find_domain("loans").notice,
    )
    assert {"data.csv", "data.parquet", "truth.parquet"} <= {file.name for file in written.iterdir()}
    assert main(["data", "generate", "loans", "--rows", "50", "--seed", "7", "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "data.csv").read_bytes() == (written / "data.csv").read_bytes()
    assert main(["data", "generate", "loans", "--out", str(written)]) == ExitCode.REFUSED
    assert "is not empty" in capsys.readouterr().err


def test_the_help_names_what_can_be_generated_and_leaves_a_broken_package_out(loans, capsys):
    assert main(["data", "generate", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "loans, drawn as a session draws them" in shown
    assert "bonds" in shown
    assert "broken" not in shown
