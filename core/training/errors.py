"""Training errors that some caller handles differently."""

from core.errors import CoreError, ExitCode, RefusedError, UsageError
from core.quality.gate import GateResult

OVER_LIMIT = "memory limit"
"""The kind of an error over `trainer.memory_limit_mb`; the memory of the machine may be free at the next attempt."""

GATE = "the gate "
"""How the part of the work that judges a gate begins its name."""


def out_of_memory(memory_limit_mb: int) -> str:
    """Say that the training child ran out of memory: of its own limit, MiB, or with 0 of the machine's memory.

    >>> out_of_memory(512).partition(" (")[0]
    'the training child needed more address space than trainer.memory_limit_mb 512 MiB'
    """
    if memory_limit_mb:
        return (
            f"the training child needed more address space than trainer.memory_limit_mb {memory_limit_mb} MiB "
            "(raise it, or lower dataset_size)"
        )
    return "the training child ran out of memory"


class TrainingError(CoreError):
    """The base of the trainer's errors."""


class SessionRequestRefusedError(RefusedError):
    """The session's present state does not allow the request."""

    def __init__(self, session_id: str, asked: str, why: str) -> None:
        super().__init__(f"Session {session_id} cannot be {asked}: {why}.")


class ChildDiedError(TrainingError):
    """The training child is gone: killed, out of memory, or crashed."""

    def __init__(self, reason: str, *, is_hopeless: bool = False) -> None:
        """Keep the reason, and whether a retry would end the same way: a limit of address space does not change."""
        super().__init__(reason)
        self.is_hopeless = is_hopeless


class ChildStalledError(TrainingError):
    """The training child did not get on, and was ended; `part` is what it was at."""

    def __init__(self, what: str, part: str) -> None:
        super().__init__(
            f"the training child {what}, and was ended. Cure: correct it, or raise trainer.stall_seconds if it needs "
            "that long"
        )
        self.part = part

    @property
    def is_hopeless(self) -> bool:
        """Whether a retry would only hang again: the code of a gate does not change, memory may be free next time."""
        return self.part.startswith(GATE)


class LearningError(TrainingError):
    """The training child is alive and reports that it could not do the work; `details` is its traceback."""

    def __init__(self, reason: str, details: str = "", *, kind: str = "error") -> None:
        super().__init__(reason)
        self.details = details
        self.kind = kind

    @property
    def is_hopeless(self) -> bool:
        """Whether a retry would only fail again: the settings are wrong, or the machine lacks something."""
        return self.kind in ("refused", "environment", OVER_LIMIT)


class UnsplittableDrawError(UsageError):
    """A draw is too small for training rows and hold-out."""

    def __init__(self, n_rows: int, rows: str, groups: str) -> None:
        super().__init__(
            f"A draw of {n_rows} {rows} has fewer than two {groups}, so that none can be held out to judge the models. "
            "Raise dataset_size."
        )


class CheckpointDamagedError(TrainingError):
    """A checkpoint is damaged: a file is missing, or its hash differs."""


class GatesFailedError(CoreError):
    """The data failed a blocking gate, so no model was trained on it."""

    exit_code = ExitCode.FAILING

    def __init__(self, file: object, failed: tuple[GateResult, ...]) -> None:
        reasons = "; ".join(f"{gate.name}: {gate.reason}" for gate in failed)
        super().__init__(
            f"{file}: the data fails {len(failed)} quality gate{'s' * (len(failed) > 1)}, so no model was trained "
            f"({reasons}). Correct the data, or the thresholds in quality_gates."
        )
