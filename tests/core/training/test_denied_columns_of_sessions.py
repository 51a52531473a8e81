"""What a session reports of its models, and stress tests of its versions, without the figures of denied columns."""

import json
from dataclasses import replace

import msgspec

from core.explain.deny_list import DenyList
from core.explain.documents import DENIED
from core.registry import Registry
from core.settings import TrainingSettings
from core.settings.explanation import ExplanationSettings
from core.settings.training import ModelSettings, StressTestingSettings
from core.stress.report import StressReport
from core.stress.stored_tests import StressTests
from core.stress.stress_test import StressRequest, run_stress_test
from core.training import panels as panels_module
from core.training.final_stress_file import STRESS_FILE
from core.training.session_work import SessionWork
from core.training.version_stress import stress_versions


def left_ranges(report):
    return {each.name for model in report.models for case in model.cases for each in case.beyond}


def sliced_by(report):
    return {part.slicing for case in report.cases for part in case.slices}


def test_a_report_and_stress_tests_have_no_figure_of_a_denied_column(tmp_path, workspace, person, monkeypatch):
    monkeypatch.setattr(panels_module, "VALIDATION_ROWS", 500)
    monkeypatch.setattr(panels_module, "TEST_ROWS", 800)
    settings = TrainingSettings(
        dataset_size=150,
        max_epochs=1,
        models={"spread": ModelSettings(algorithm="linear")},
        explanation=ExplanationSettings(denied_columns=("rating*", "credit_cycle", "maturity_*")),
        stress_testing=StressTestingSettings(enable_stress_testing=True, scenario_count=2),
    )
    work = SessionWork(settings, tmp_path)
    epoch = work.run_epoch(1).record
    slicings = {name.partition("=")[0] for name in epoch.slices["spread"].slices}
    assert slicings == {"sector", "region"}  # the slices by maturity are made of maturity_years
    final = work.finish()
    (spread,) = final.models
    assert {"rating", "credit_cycle", *spread.importance} - set(final.columns) == {DENIED}
    assert not [name for name in spread.importance if name.startswith(("rating", "credit_cycle", "maturity"))]
    assert spread.importance[DENIED] > 0
    assert {name.partition("=")[0] for name in spread.slices} == {"sector", "region"}
    report = json.loads((tmp_path / spread.folder / "report.json").read_text())
    assert (report["sliced_by"]["maturity"], report["sliced_by"]["sector"]) == ("maturity_years", "sector")
    (left,) = tmp_path.rglob(STRESS_FILE)
    assert "credit_cycle" not in left_ranges(msgspec.json.decode(left.read_bytes(), type=StressReport))

    Registry(workspace).register(
        "spread", tmp_path / spread.folder, metrics={}, lineage={}, gates=(), actor=person, run_id=""
    )
    request = StressRequest(
        domain="bonds", n_rows=300, seed=1, scenarios=["global_liquidity_freeze"], severities=["severe"]
    )
    assert "credit_cycle" in left_ranges(stress_versions(workspace, request, ["spread"], settings))
    kept = StressTests(workspace).keep(stress_versions(workspace, request, ["spread"], settings), person)
    told = StressTests(workspace).report(kept.test_id)
    assert "credit_cycle" in left_ranges(told)
    assert "sector" in sliced_by(told)
    workspace.settings_file.write_text("explanation:\n  denied_columns: [credit_cycle, sector]\n")
    assert "credit_cycle" not in left_ranges(stress_versions(workspace, request, ["spread"], settings))
    shown = StressTests(workspace).report(kept.test_id)
    assert "credit_cycle" not in left_ranges(shown)
    assert sliced_by(shown) == sliced_by(told) - {"sector"}
    assert {name for case in shown.cases for each in case.worst for name in each.labels}.isdisjoint({"sector"})
    assert run_stress_test(replace(request, denied=DenyList(["sector"]))).cases == shown.cases


def test_the_gates_of_an_epoch_quote_no_value_of_a_denied_column(tmp_path, monkeypatch):
    monkeypatch.setattr(panels_module, "VALIDATION_ROWS", 500)
    settings = TrainingSettings(
        dataset_size=150,
        models={"spread": ModelSettings(algorithm="linear")},
        domain_settings={"missing_rate": 0.3},
        explanation=ExplanationSettings(denied_columns=("bond_id", "as_of_*")),
    )
    gates = {gate.name: gate for gate in SessionWork(settings, tmp_path).run_epoch(1).record.gates}
    assert all(row.startswith("row ") for row in gates["coverage"].offending)
    assert gates["coverage"].offending
