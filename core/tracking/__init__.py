"""Runs: the record of every training, with its parameters, metrics, artifacts, environment and data.

run.py          what is kept of one training
environment.py  where it ran
runs.py         the record of all; run_reader.py looks it up
active.py       a run that this process logs
heartbeat.py    signs of life of processes that log
search.py       finding runs by an expression; fields.py what it may ask for
comparison.py   several side by side
"""

from core.tracking.active import ActiveRun, track
from core.tracking.comparison import ComparedValue, RunComparison
from core.tracking.environment import environment, git_state, software
from core.tracking.errors import ParameterChangedError, RunIsOverError, RunNotFoundError
from core.tracking.run import Run, RunArtifact, RunStatus
from core.tracking.runs import Runs
from core.tracking.search import ExpressionError

__all__ = [
    "ActiveRun",
    "ComparedValue",
    "ExpressionError",
    "ParameterChangedError",
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
    "track",
]
