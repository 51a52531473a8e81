"""Errors of executors."""

from core.errors import CoreError


class ExecutorError(CoreError):
    """The workers, or the way to them, are gone; the same work may succeed at the next attempt."""


class TaskLostError(ExecutorError):
    """A task lost its worker again and again: it is likely what ends them."""

    def __init__(self, title: str, n_attempts: int, ends: str) -> None:
        super().__init__(
            f"one of the {title} lost its worker {n_attempts} times ({ends}). Cure: check whether the machine runs out "
            "of memory; fewer workers need less"
        )


class WorkError(CoreError):
    """A worker answers with an error of ours: the same work would fail again."""


class MissingDaskError(CoreError):
    """The executor is a Dask cluster, and Dask is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "executor.kind dask needs the extra dask, which is not installed: pip install 'bondx-console[dask]'."
        )
