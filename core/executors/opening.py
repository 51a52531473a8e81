"""From the settings to an executor."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.executors.in_force import running_on
from core.executors.threads import ThreadExecutor
from core.executors.work import Executor
from core.settings import TrainingSettings


def executor_of(settings: TrainingSettings) -> Executor:
    """Make the executor of the settings; nothing is started or connected before the first work.

    Raises:
        MissingDaskError: It is a Dask cluster, and Dask is not installed.
    """
    chosen = settings.executor
    n_workers = chosen.workers or settings.trainer.n_threads
    if chosen.kind == "process":
        from core.executors.processes import ProcessExecutor

        return ProcessExecutor(n_workers)
    if chosen.kind == "dask":
        from core.executors.dask_cluster import DaskExecutor
        from core.executors.dask_connection import require_dask

        require_dask()
        return DaskExecutor(chosen)
    return ThreadExecutor(n_workers)


@contextmanager
def opened(settings: TrainingSettings) -> Iterator[Executor]:
    """Run all work of a block on the executor of the settings, and close it at the end."""
    chosen = executor_of(settings)
    try:
        with running_on(chosen):
            yield chosen
    finally:
        chosen.close()
