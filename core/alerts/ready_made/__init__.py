"""The rules that come with BondX: `bondx.rules.yaml`, a Prometheus rule file; each has a page in docs/runbooks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

READY_MADE_FILE: Final = Path(__file__).with_name("bondx.rules.yaml")

BUILT_IN_TWINS: Final[Mapping[str, str]] = {
    "DriftFound": "drift_found",
    "PerformanceFell": "performance_fell",
    "ModelFailing": "model_failing",
    "DataQualityLow": "quality_low",
    "GateFailed": "gate_failed",
    "TrainingStalled": "training_stalled",
    "RolloutInconclusive": "rollout_inconclusive",
    "RolloutStuck": "rollout_stuck",
    "CpuHigh": "cpu_high",
    "MemoryHigh": "memory_high",
    "DiskHigh": "disk_high",
    "DiskFilling": "disk_filling",
}
"""The built-in rule that the engine judges at once, by the ready-made alert that says the same to a Prometheus."""
