"""BondX for Python programs: the public API. Names outside `bondx` and `bondx.mlops` may change between releases.

    from bondx import ExperimentTracker, MLOpsConfig, ModelRegistry

    with ExperimentTracker(MLOpsConfig.from_yaml()).start_run("mine") as run:
        run.log_metrics({"mae": 0.12})

`bondx.mlops` offers the same verbs under the names and signatures of other MLOps systems, run ids instead of context
managers; `docs/python-api.md` has examples of both that run. Importing this package loads nothing heavy.
"""

TYPE_CHECKING = False  # a command starts here: `bondx.own_packages` says why nothing is imported
if TYPE_CHECKING:
    from typing import Any

    from bondx.autonomous_trainer import BondXAIAutonomousTrainer, TrainingOutcome
    from bondx.dashboard import BondXAIDashboard
    from core.api import AlertManager, CanaryDeploymentManager, ExperimentTracker, MLOpsConfig, ModelRegistry, Telemetry
    from core.client import Client
    from core.errors import CoreError
    from core.quality.gate import GateResult, judge
    from core.registry import Stage
    from core.training.reproduction import reproduce_data

__all__ = [
    "AlertManager",
    "BondXAIAutonomousTrainer",
    "BondXAIDashboard",
    "CanaryDeploymentManager",
    "Client",
    "CoreError",
    "ExperimentTracker",
    "GateResult",
    "MLOpsConfig",
    "ModelRegistry",
    "Stage",
    "Telemetry",
    "TrainingOutcome",
    "judge",
    "reproduce_data",
]

_HOMES = {
    "AlertManager": "core.api",
    "BondXAIAutonomousTrainer": "bondx.autonomous_trainer",
    "BondXAIDashboard": "bondx.dashboard",
    "CanaryDeploymentManager": "core.api",
    "Client": "core.client",
    "CoreError": "core.errors",
    "ExperimentTracker": "core.api",
    "GateResult": "core.quality.gate",
    "MLOpsConfig": "core.api",
    "ModelRegistry": "core.api",
    "Stage": "core.registry",
    "Telemetry": "core.api",
    "TrainingOutcome": "bondx.autonomous_trainer",
    "judge": "core.quality.gate",
    "reproduce_data": "core.training.reproduction",
}


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bondx.own_packages import offered

    return offered(_HOMES[name], name)


def __dir__() -> list[str]:
    """List the names, so that a notebook completes them although nothing is loaded yet."""
    return sorted({*globals(), *__all__})
