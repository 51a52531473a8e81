"""The Python API is a thin layer over the core; its additions are tested here."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import core.api
from core.api import CanaryDeploymentManager, ExperimentTracker, MLOpsConfig, ModelRegistry
from core.clock import utc_now
from core.errors import NotFoundError, UsageError
from core.governance.audit_log import AuditLog
from core.rollout import NotRoutedError, RoutingTable
from core.rollout.slices import Slice
from core.settings import SettingsError
from core.telemetry.committer import Committer
from core.telemetry.predictions import Cursor, PredictionReader
from core.tracking import RunNotFoundError, Runs, RunStatus, end_open_runs


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MLOpsConfig]:
    monkeypatch.setenv("BONDX_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BONDX_ENV", raising=False)
    yield MLOpsConfig.from_yaml(user="ana")
    end_open_runs()


@pytest.fixture
def tracker(config: MLOpsConfig) -> ExperimentTracker:
    return ExperimentTracker(config)


def test_every_public_name_exists() -> None:
    assert all(getattr(core.api, name) for name in core.api.__all__)


def test_a_faulty_policy_is_reported_when_it_is_named(config: MLOpsConfig, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("canary: {initial: 0.1}\n")
    with pytest.raises(SettingsError, match=r"policy\.canary has no key 'initial': did you mean initial_share\?"):
        MLOpsConfig.from_yaml(tmp_path / "policy.yaml")


def test_a_named_policy_applies_to_models_and_runs(config: MLOpsConfig, tmp_path: Path) -> None:
    (tmp_path / "strict.yaml").write_text("tracking: {required_tags: [owner]}\npromotion: {min_accuracy: 0.99}\n")
    strict = MLOpsConfig.from_yaml(tmp_path / "strict.yaml")
    assert strict.for_model("spread").promotion.min_accuracy == 0.99
    with pytest.raises(UsageError, match="requires the tags owner"):
        ExperimentTracker(strict).start_run("mine")


def test_one_run_is_active_at_a_time_unless_nested(tracker: ExperimentTracker) -> None:
    with pytest.raises(UsageError, match="No run is active: call start_run"):
        tracker.log_metric("mae", 1)
    with pytest.raises(UsageError, match="No run is active to nest"):
        tracker.start_run("part", nested=True)
    tracker.start_run("whole")
    with pytest.raises(UsageError, match=r"Run r-0001 is active: call end_run\(\) first"):
        tracker.start_run("another")
    part = tracker.start_run("part", nested=True)
    assert tracker.active_run is part
    tracker.end_run("failed")
    assert tracker.active_run.run_id == "r-0001"
    with pytest.raises(UsageError, match="'gone' is not an end status"):
        tracker.end_run("gone")
    assert tracker.end_run().status is RunStatus.FINISHED
    assert tracker.search_runs("status = 'failed'")[0].parent_id == "r-0001"


def test_a_long_history_is_read_in_pages(tracker: ExperimentTracker, monkeypatch) -> None:
    run = tracker.start_run("long")
    for step in range(25):
        tracker.log_metrics({"loss": step / 100, "mae": 1.0}, step=step)
    tracker.end_run()
    page_of = Runs.metric_page
    monkeypatch.setattr(Runs, "metric_page", lambda *args, **how: page_of(*args, **how, n_epochs=10))
    pages = list(tracker.metric_pages(run.run_id))
    assert [len(page["loss"]) for page in pages] == [10, 10, 5]
    whole = tracker.metric_history(run.run_id)
    assert {name: [point for page in pages for point in page[name]] for name in whole} == whole
    with pytest.raises(RunNotFoundError):
        tracker.metric_pages("r-0404")


def test_the_audit_log_names_who_acts(config: MLOpsConfig, tracker: ExperimentTracker) -> None:
    tracker.start_run("mine")
    tracker.end_run()
    assert AuditLog(config.workspace).tail(1)[0].actor.startswith("ana@")


SCRIPT = """
import sys
from core.api import ExperimentTracker, MLOpsConfig
tracker = ExperimentTracker(MLOpsConfig.from_yaml(workspace=sys.argv[1]))
tracker.start_run("forgetful")
tracker.log_metric("mae", 0.25)
"""


def test_a_script_that_forgets_to_end_its_run_loses_nothing(config: MLOpsConfig) -> None:
    subprocess.run([sys.executable, "-c", SCRIPT, str(config.workspace.root)], check=True)
    (run,) = Runs(config.workspace).all()
    assert (run.status, run.metrics) == (RunStatus.STOPPED, {"mae": 0.25})


def test_a_run_outlives_the_tracker_that_started_it(config: MLOpsConfig) -> None:
    with ExperimentTracker(config).start_run("mine") as run:
        run.log_metric("mae", 0.25)
    (stored,) = Runs(config.workspace).all()
    assert (stored.status, stored.metrics) == (RunStatus.FINISHED, {"mae": 0.25})


def test_a_run_that_cannot_be_ended_is_named_in_the_log(
    config: MLOpsConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Committer.flush, "__defaults__", (0.1,))
    run_id = ExperimentTracker(config).start_run("mine").run_id
    shutil.rmtree(config.workspace.root)
    end_open_runs()
    assert f"run {run_id}, which was left open, could not be ended: " in caplog.text


def test_without_a_version_the_production_version_is_used(config: MLOpsConfig, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("tree")
    registry = ModelRegistry(config)
    registry.register_model("spread", tmp_path / "model.txt")
    with pytest.raises(NotFoundError, match="No version of spread is in Production; name a version"):
        registry.get_model("spread")
    assert [version.version for version in registry.list_models(stage="development")] == ["1.0.0"]
    with pytest.raises(UsageError, match="There is no stage 'live'"):
        registry.list_models(stage="live")


def test_a_model_without_a_live_version_routes_no_request(config: MLOpsConfig) -> None:
    with CanaryDeploymentManager(config) as canaries, pytest.raises(NotRoutedError):
        canaries.route_prediction("spread", "caller")


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = {"numpy", "pandas", "scipy", "sklearn", "lightgbm", "pyarrow", "textual", "rich", "mlflow"}
    touched = "; ".join(f"core.api.{name}" for name in ("MLOpsConfig", "ExperimentTracker", "ModelRegistry"))
    code = f"import sys, core.api; {touched}; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_the_slices_of_a_request_are_recorded_by_the_values_that_are_given(config: MLOpsConfig) -> None:
    region = Slice(column="region", names=("missing", "EU", "US", "other"), levels=("EU", "US"))
    table = RoutingTable(
        model="spread", stable="1.0.0", candidate="1.1.0", share=0.5, rollout_id="ro-0001", slices=(region,)
    )
    with CanaryDeploymentManager(config) as canaries:
        canaries._router.update({"spread": table})
        route = canaries._router.route("spread", "caller")
        for number, row in enumerate(({"region": "US"}, {"region": "LATAM"}, {}, None)):
            assert canaries.record_prediction("spread", route, f"r{number}", latency_ms=1.0, row=row)
    later = utc_now() + timedelta(minutes=1)
    batch = PredictionReader(config.workspace.predictions_file).read("ro-0001", Cursor(), settled_before=later)
    assert [served.slices for served in batch.served] == [2, 3, 0, None]
