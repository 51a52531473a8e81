"""BondX from Python: the verbs of `bondx-mlops` under names that an MLOps user expects.

    from core.api import AlertManager, CanaryDeploymentManager, ExperimentTracker, MLOpsConfig, ModelRegistry

    config = MLOpsConfig.from_yaml("production_policy.yaml")
    with ExperimentTracker(config).start_run("mine") as run:
        run.log_metrics({"mae": 0.12})

Six thin classes over the same core as the console and the command line: changes made here appear there immediately,
pass the same gates, and are in the same audit log. `docs/python-api.md` has examples that run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.api.alerts import AlertManager
    from core.api.canary import CanaryDeploymentManager
    from core.api.config import MLOpsConfig
    from core.api.experiments import ExperimentTracker
    from core.api.models import ModelRegistry
    from core.api.telemetry import Telemetry

__all__ = ["AlertManager", "CanaryDeploymentManager", "ExperimentTracker", "MLOpsConfig", "ModelRegistry", "Telemetry"]

_HOMES = {
    "AlertManager": "alerts",
    "CanaryDeploymentManager": "canary",
    "ExperimentTracker": "experiments",
    "MLOpsConfig": "config",
    "ModelRegistry": "models",
    "Telemetry": "telemetry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
