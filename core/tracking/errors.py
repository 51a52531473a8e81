"""The errors of run tracking."""

from collections.abc import Sequence

from core.errors import NotFoundError, RefusedError
from core.escape import shown


class RunNotFoundError(NotFoundError):
    """No run has this id."""

    def __init__(self, run_id: str, known: Sequence[str]) -> None:
        newest = ", ".join(known[-8:]) or "none yet; `bondx run` starts one"
        super().__init__(f"There is no run {shown(run_id)}. Runs to choose from: {newest}.")


class RunIsOverError(RefusedError):
    """The run has ended; its record is closed."""

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(f"Run {run_id} is {status}; nothing can be added to it. Reopen it first, or start another.")


class ParameterChangedError(RefusedError):
    """A parameter of a run cannot change."""

    def __init__(self, run_id: str, name: str, before: object, after: object) -> None:
        super().__init__(
            f"Run {run_id} has {name} = {before!r} already, so it cannot become {after!r}. Start another run."
        )
