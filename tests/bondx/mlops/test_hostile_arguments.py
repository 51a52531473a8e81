"""Whatever a program passes as an argument, the call converts it or refuses it, and the workspace stays readable."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from bondx.mlops import CanaryDeploymentManager, ExperimentTracker, MLOpsConfig, ModelRegistry
from core.errors import CoreError, UsageError
from core.escape import shown
from core.governance import AuditLog
from core.registry import Registry
from core.rollout import Rollouts
from core.tracking import Runs

VALUES = [
    None, True, 0, -1, 2**63, 10**400, 10**5000, 0.5, float("nan"), float("inf"),
    "", " ", "\x1b[31mred", "half \ud800", "é" * 300, b"bytes", Path("/tmp/x"),
    np.float32(1.5), np.int64(7), np.int8(-3), np.bool_(True), np.str_("text"), np.array([1.0, 2.0]), np.float64("nan"),
    np.complex64(1 + 2j), [1, "a"], {"a": {1: 2}}, {1, 2}, object(), datetime(2026, 1, 1, tzinfo=UTC),
]  # fmt: skip


def _assert_readable(config):
    workspace = config.workspace
    Runs(workspace).all()
    Registry(workspace).versions()
    Rollouts(workspace).all()
    log = AuditLog(workspace)
    log.drain("runs", "registry")
    assert log.n_waiting() == 0
    assert log.verify().ok


def as_key(value):
    try:
        return {value: 1.0}
    except TypeError:  # not hashable
        return {}


@pytest.fixture
def model_file(tmp_path):
    file = tmp_path / "model.json"
    file.write_text("{}")
    return file


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__}-{shown(value):.12}")
def test_no_argument_of_the_python_face_makes_the_workspace_unreadable(config, model_file, value):
    tracker, registry, canary = ExperimentTracker(config), ModelRegistry(config), CanaryDeploymentManager(config)
    run_id = tracker.start_run("spreads")
    version = registry.register_model("spread", model_file).version
    for call in (
        lambda: tracker.start_run(value),
        lambda: tracker.start_run("a", value),
        lambda: tracker.start_run("a", parameters={"depth": value}),
        lambda: tracker.start_run("a", tags={"owner": value}),
        lambda: tracker.log_parameters(run_id, {"depth": value}),
        lambda: tracker.log_parameters(run_id, as_key(value)),
        lambda: tracker.log_metrics(run_id, {"mae": value}),
        lambda: tracker.log_metrics(run_id, {"mae": 1.0}, step=value),
        lambda: tracker.log_metrics(run_id, as_key(value)),
        lambda: tracker.log_artifact(run_id, value),
        lambda: tracker.set_tags(run_id, {"owner": value}),
        lambda: tracker.end_run(value),
        lambda: tracker.get_run(value),
        lambda: registry.register_model(value, model_file),
        lambda: registry.register_model("spread", value),
        lambda: registry.register_model("spread", model_file, version=value),
        lambda: registry.register_model("spread", model_file, run_id=value),
        lambda: registry.register_model("spread", model_file, tags={"owner": value}),
        lambda: registry.register_model("spread", model_file, description=value),
        lambda: registry.register_model("spread", model_file, performance_metrics={"r2": value}),
        lambda: registry.register_model("spread", model_file, hyperparameters={"depth": value}),
        lambda: registry.register_model("spread", model_file, feature_columns=[value]),
        lambda: registry.promote_model("spread", version, "staging", reason=value),
        lambda: registry.promote_model("spread", value, "staging"),
        lambda: registry.promote_model("spread", version, value),
        lambda: registry.archive_model("spread", version, archived_by=value),
        lambda: registry.archive_model("spread", version, reason=value),
        lambda: canary.record_outcome(value, actual=1.0),
        lambda: canary.record_outcome("r", loss=value),
    ):
        with contextlib.suppress(CoreError):
            call()
        _assert_readable(config)
    tracker.log_metrics(run_id, {"good": 1.0})
    assert tracker.end_run(run_id).metrics["good"] == 1.0


@pytest.mark.parametrize("argument", ["file", "workspace", "user"])
@pytest.mark.parametrize(
    "value", [3.5, range(3), np.array([1.0, 2.0]), 10**5000], ids=lambda value: type(value).__name__
)
def test_a_configuration_refuses_what_is_no_path_or_name(tmp_path, argument, value):
    arguments = {"workspace": tmp_path / "w", argument: value}
    with pytest.raises(UsageError, match=f"{argument} is "):
        MLOpsConfig.from_yaml(**arguments)


def test_a_complex_number_is_no_metric_and_costs_itself_alone(config):
    tracker = ExperimentTracker(config)
    run_id = tracker.start_run("spreads")
    with pytest.raises(UsageError, match="must be a number"):
        tracker.log_metrics(run_id, {"bad": np.complex64(1 + 2j), "huge": 10**5000, "good": 1.0})
    assert tracker.end_run(run_id).metrics == {"good": 1.0}
