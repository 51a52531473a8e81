"""Errors of the audit log that refuse a change before it is attempted."""

from pathlib import Path

from core.errors import CoreError, ExitCode


class GovernanceError(CoreError):
    """The root of the errors of this package."""


class AuditKeyError(GovernanceError):
    """A log exists, but its chain key is missing or unreadable."""

    exit_code = ExitCode.REFUSED

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(
            f"The audit key {file} {problem}. Nothing can be changed or verified without it: "
            f"restore the original file from a backup (it was written once, when the workspace was created)."
        )


class TamperedError(GovernanceError):
    """What should be proved was changed outside the program."""
