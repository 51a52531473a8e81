"""Where trials, folds and members are computed: threads, processes of this machine, or a Dask cluster.

Learners and searches ask for the `executor()` in force and hand it `Work`. The results are the same on each.
"""

from core.executors.in_force import executor, running_on
from core.executors.work import Executor, RemoteWork, Work

__all__ = ["Executor", "RemoteWork", "Work", "executor", "running_on"]
