"""What can go wrong while training, where some caller acts differently on it."""

from core.errors import CoreError, ExitCode, RefusedError
from core.quality.gate import GateResult


class TrainingError(CoreError):
    """The root of the trainer's own errors."""


class SessionRequestRefusedError(RefusedError):
    """The session is where it is, and from there nobody can take it to what was asked."""

    def __init__(self, session_id: str, asked: str, why: str) -> None:
        super().__init__(f"Session {session_id} cannot be {asked}: {why}.")


class ChildDiedError(TrainingError):
    """The training child is gone: killed, out of memory, or crashed. The epoch it was at can be tried again."""


class LearningError(TrainingError):
    """The training child lives and says that it could not do the work; `details` is its traceback."""

    def __init__(self, reason: str, details: str = "", *, kind: str = "error") -> None:
        super().__init__(reason)
        self.details = details
        self.kind = kind

    @property
    def is_hopeless(self) -> bool:
        """Whether another attempt would only fail again: the settings are wrong, or the machine lacks something."""
        return self.kind in ("refused", "environment")


class CheckpointDamagedError(TrainingError):
    """A checkpoint is not what was written: a file is missing, or its hash differs."""


class GatesFailedError(CoreError):
    """The data failed a blocking gate, so nothing was learnt from it."""

    exit_code = ExitCode.FAILING

    def __init__(self, file: object, failed: tuple[GateResult, ...]) -> None:
        reasons = "; ".join(f"{gate.name}: {gate.reason}" for gate in failed)
        super().__init__(
            f"{file}: the data fails {len(failed)} quality gate{'s' * (len(failed) > 1)}, so nothing was learnt from "
            f"it ({reasons}). Correct the data, or the thresholds in quality_gates."
        )
