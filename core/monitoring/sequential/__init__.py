"""The sequential drift verdict: e-detectors on binned counts, with a stated run length to a false alarm."""

from core.monitoring.sequential.budget import FalseAlarmBudget
from core.monitoring.sequential.sequential_drift import BinnedMinute, SequentialDrift
from core.monitoring.sequential.stored_state import DriftStateError, state_from_bytes, state_to_bytes
from core.monitoring.sequential.streams import Streams

__all__ = [
    "BinnedMinute",
    "DriftStateError",
    "FalseAlarmBudget",
    "SequentialDrift",
    "Streams",
    "state_from_bytes",
    "state_to_bytes",
]
