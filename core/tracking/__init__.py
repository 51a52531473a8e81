"""Runs: the record of every training, with its parameters, metrics, artifacts, environment and data.

run.py          what is kept of one training
environment.py  where it ran
runs.py         the record of all
comparison.py   several side by side
"""

from core.tracking.comparison import ComparedValue, RunComparison
from core.tracking.environment import environment, git_state, software
from core.tracking.errors import RunIsOverError, RunNotFoundError
from core.tracking.run import Run, RunArtifact, RunStatus
from core.tracking.runs import Runs

__all__ = [
    "ComparedValue",
    "Run",
    "RunArtifact",
    "RunComparison",
    "RunIsOverError",
    "RunNotFoundError",
    "RunStatus",
    "Runs",
    "environment",
    "git_state",
    "software",
]
