"""What can be wrong with the audit log before a change is even tried."""

from pathlib import Path

from core.errors import CoreError, ExitCode


class GovernanceError(CoreError):
    """The root of the errors of this package."""


class AuditKeyError(GovernanceError):
    """A log exists and the key it was chained with is missing or unreadable."""

    exit_code = ExitCode.REFUSED

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(
            f"The audit key {file} {problem}. Nothing can be changed or verified without it: "
            f"put the original file back from a backup (it was written once, when the workspace was new)."
        )
