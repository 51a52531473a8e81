"""Runs: the record of every training, with its parameters, metrics, artifacts, environment and data.

run.py          the record of one training
environment.py  where it ran
runs.py         the record of all trainings; run_reader.py reads it
divergence.py   metrics whose last value is NaN or infinite
active.py       a run logged by this process
heartbeat.py    signs of life of processes that log
experiments.py  groups of runs, and the best of each
search.py       finding runs by an expression; fields.py its fields
comparison.py   several runs compared
"""

from core.tracking.active import ActiveRun, end_at_exit, end_open_runs, track, tracked_run
from core.tracking.comparison import ComparedValue, RunComparison
from core.tracking.environment import environment, git_state, software
from core.tracking.errors import ParameterChangedError, RunIsOverError, RunNotFoundError
from core.tracking.experiments import Experiment, experiments
from core.tracking.run import Run, RunArtifact, RunStatus
from core.tracking.runs import Runs
from core.tracking.search import ExpressionError

__all__ = [
    "ActiveRun",
    "ComparedValue",
    "Experiment",
    "ExpressionError",
    "ParameterChangedError",
    "Run",
    "RunArtifact",
    "RunComparison",
    "RunIsOverError",
    "RunNotFoundError",
    "RunStatus",
    "Runs",
    "end_at_exit",
    "end_open_runs",
    "environment",
    "experiments",
    "git_state",
    "software",
    "track",
    "tracked_run",
]
