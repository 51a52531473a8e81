"""The verbs of BondX under the names and signatures that MLOps users know.

    from bondx.mlops import ExperimentTracker, MLOpsConfig

    tracker = ExperimentTracker(MLOpsConfig.from_yaml())
    run_id = tracker.start_run(experiment_name="spreads", model_type="lightgbm")
    tracker.log_metrics(run_id, {"mae": 0.12})
    tracker.end_run(run_id, "completed")

tracker.py     runs by their id
registry.py    versions, registered from a path and promoted to a stage
drift.py       two data frames compared, and whether that calls for retraining
canary.py      a candidate beside the live version, request by request
retraining.py  from a drift report to the next version
cli.py         `python -m bondx.mlops.cli` is the command `bondx-mlops`
"""

TYPE_CHECKING = False  # see `bondx`
if TYPE_CHECKING:
    from typing import Any

    from bondx.mlops.canary import CanaryDeployment, CanaryDeploymentManager
    from bondx.mlops.drift import DataDriftReport, DriftMonitor
    from bondx.mlops.registry import ModelRegistry
    from bondx.mlops.retraining import RetrainingResult, RetrainPipeline
    from bondx.mlops.tracker import ExperimentTracker
    from core.api import MLOpsConfig
    from core.registry import Stage as ModelStage

__all__ = [
    "CanaryDeployment",
    "CanaryDeploymentManager",
    "DataDriftReport",
    "DriftMonitor",
    "ExperimentTracker",
    "MLOpsConfig",
    "ModelRegistry",
    "ModelStage",
    "RetrainPipeline",
    "RetrainingResult",
]

_HOMES = {
    "CanaryDeployment": ("bondx.mlops.canary", "CanaryDeployment"),
    "CanaryDeploymentManager": ("bondx.mlops.canary", "CanaryDeploymentManager"),
    "DataDriftReport": ("bondx.mlops.drift", "DataDriftReport"),
    "DriftMonitor": ("bondx.mlops.drift", "DriftMonitor"),
    "ExperimentTracker": ("bondx.mlops.tracker", "ExperimentTracker"),
    "MLOpsConfig": ("core.api", "MLOpsConfig"),
    "ModelRegistry": ("bondx.mlops.registry", "ModelRegistry"),
    "ModelStage": ("core.registry", "Stage"),
    "RetrainPipeline": ("bondx.mlops.retraining", "RetrainPipeline"),
    "RetrainingResult": ("bondx.mlops.retraining", "RetrainingResult"),
}


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bondx.own_packages import offered

    return offered(*_HOMES[name])


def __dir__() -> list[str]:
    """List the names, so that a notebook completes them although nothing is loaded yet."""
    return sorted({*globals(), *__all__})
