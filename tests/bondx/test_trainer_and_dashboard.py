"""A session and the console from a Python program."""

import json
import subprocess
import sys
import textwrap

import pytest

from bondx import BondXAIAutonomousTrainer, BondXAIDashboard
from core.errors import ConflictError, UsageError
from core.registry import Registry
from core.settings.errors import SettingsError
from core.tracking import Runs

SMALL = "dataset_size: 300\nmax_epochs: 1\nrandom_seed: 7\nmodels: {spread: {}}\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BONDX_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_program_trains_a_model_of_language_as_a_session(home, tmp_path):
    (tmp_path / "text.yaml").write_text("text_model: {architecture: ngram, documents: 100, judged_documents: 20}\n")
    trainer = BondXAIAutonomousTrainer(str(tmp_path / "text.yaml"))
    outcome = trainer.run_autonomous_training_loop(text="prose")
    assert (outcome.status, outcome.registered) == ("finished", ("prose/1.0.0",))
    assert outcome.metrics["prose.above_floor"] > 0


@pytest.mark.journey
def test_a_program_trains_a_session_and_reports_on_it(home, tmp_path, capsys):
    (tmp_path / "small.yaml").write_text(SMALL)

    trainer = BondXAIAutonomousTrainer(str(tmp_path / "small.yaml"))
    outcome = trainer.run_autonomous_training_loop(experiment="desk")

    assert (outcome.success, outcome.status, outcome.n_epochs) == (True, "finished", 1)
    assert outcome.registered
    assert (outcome.reports / "final_report.md").is_file()
    dashboard = BondXAIDashboard()
    assert {f"{version.model}/{version.version}" for version in Registry(dashboard.workspace).versions()} == set(
        outcome.registered
    )

    summary = dashboard.generate_summary_report()

    assert summary["session"]["session_id"] == outcome.session_id
    assert [f"{each['model']}/{each['version']}" for each in summary["versions"]] == list(outcome.registered)
    assert json.loads((home / "reports" / "summary_report.json").read_text()) == summary

    [experiment] = Runs(dashboard.workspace).experiments()
    assert (experiment.name, experiment.best_run_id) == ("desk", outcome.run_id)
    [kind] = experiment.model_types
    [version] = Registry(dashboard.workspace).versions()
    assert kind == version.lineage["chosen"] != "auto"

    by_sector = dashboard.epoch_scores(outcome.session_id, 1, by="sector")
    assert by_sector == dashboard.epoch_scores(by="sector")
    assert {(each.model, each.by) for each in by_sector} == {("spread", "sector")}
    assert all(each.n_rows >= 30 and each.scores["mean_absolute_error"] > 0 for each in by_sector)

    assert dashboard.start_monitoring() == 0
    assert f"{outcome.session_id} finished after epoch 1" in capsys.readouterr().out


def test_a_dashboard_of_an_empty_workspace_says_so(home, capsys):
    dashboard = BondXAIDashboard(workspace=home)

    assert dashboard.generate_summary_report()["session"] is None
    assert dashboard.start_monitoring() == 0
    assert "has no session to follow" in capsys.readouterr().err


@pytest.mark.parametrize("value", [7, "", "half \ud800", b"x.yaml", object(), "nothing.yaml"])
def test_a_settings_file_that_cannot_be_one_is_one_clear_error(home, value):
    with pytest.raises((UsageError, SettingsError)) as caught:
        BondXAIAutonomousTrainer(value)
    assert "\n" not in str(caught.value)


def test_an_unknown_model_is_refused_before_anything_is_trained(home, tmp_path):
    (tmp_path / "wrong.yaml").write_text("models: {spraed: {}}\n")

    with pytest.raises(UsageError, match="spraed"):
        BondXAIAutonomousTrainer(tmp_path / "wrong.yaml")


def test_both_names_are_imported_without_anything_heavy():
    code = """
        import sys
        from bondx import BondXAIAutonomousTrainer, BondXAIDashboard
        heavy = {"pandas", "scipy", "sklearn", "lightgbm", "textual"} & set(sys.modules)
        sys.exit(str(heavy) if heavy else 0)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)]).returncode == 0


def test_a_program_saves_and_shares_the_views_of_a_desk(home, tmp_path):
    dashboard = BondXAIDashboard()
    assert dashboard.views() == []
    with pytest.raises(UsageError, match="There is no view"):
        dashboard.views_as_yaml()
    saved = dashboard.save_view("rates", ["alerts", {"pane": "models", "columns": ["model"]}], models=["rates_*"])
    assert (saved.name, saved.models, [pane.pane for pane in saved.panes]) == (
        "rates",
        ("rates_*",),
        ["alerts", "models"],
    )
    with pytest.raises(UsageError, match=r"rates\.panes\[0\]: .alrets. is no pane; did you mean alerts"):
        dashboard.save_view("rates", ["alrets"], replace=True)
    (tmp_path / "views.yaml").write_text(dashboard.views_as_yaml("rates"))
    with pytest.raises(ConflictError):
        dashboard.import_views(tmp_path / "views.yaml")
    assert dashboard.import_views(tmp_path / "views.yaml", replace=True)[0].revision == 2
    dashboard.delete_view("rates", reason="gone")
    assert dashboard.views() == []
