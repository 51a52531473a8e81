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


class ModelKeyError(GovernanceError):
    """The key that signs the files of versions and packs cannot be used."""

    exit_code = ExitCode.REFUSED

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(
            f"The key {file} {problem}. It signs versions and evidence packs for foreign verifiers: restore the "
            f"original file from a backup, so that the public key that auditors have stays valid."
        )


class TamperedError(GovernanceError):
    """What should be proved was changed outside the program."""
