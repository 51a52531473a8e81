"""What can be wrong with backups and with their key."""

from pathlib import Path
from typing import Final

from core.errors import ConflictError, ExitCode, RefusedError, UsageError
from core.escape import escaped, shown

REMEDY: Final = (
    "`bondx backup verify --set-aside` moves damaged content aside; the next backup writes it again if the workspace "
    "still has it."
)
"""What heals damaged content."""


class BackupKeyError(UsageError):
    """The key of encrypted backups is missing, or is another key; a key that cannot be read is a `KeySourceError`."""


class BackupBusyError(ConflictError):
    """Another process writes a backup of this workspace, or to this folder."""

    def __init__(self, place: Path | str, holder: str, *, remedy: str = "") -> None:
        super().__init__(f"Another backup is being written: {holder} holds {place}. Wait until it has ended.{remedy}")


class TargetInUseError(RefusedError):
    """The file system elsewhere holds something else than backups there."""

    def __init__(self, place: object) -> None:
        super().__init__(f"{place} holds something else than backups. Name another place, or empty this one.")


class BackupDamagedError(RefusedError):
    """Something in a folder of backups is not what was written there."""

    def __init__(self, place: Path | str, problem: str) -> None:
        self.place = escaped(str(place))  # whoever made a backup chose the names in it
        self.problem = escaped(problem)
        super().__init__(f"{self.place} {self.problem}. {REMEDY}")


class BackupUnreadableError(BackupDamagedError):
    """It could not be read now, which says nothing about its bytes."""


class ImpossibleNameError(BackupDamagedError):
    """A backup names a file that cannot be: its manifest was made by something else, or made up."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(shown(path), problem)


class BackupStoppedError(RefusedError):
    """The engine ends, and its backup with it; nothing counts of what it wrote."""

    def __init__(self) -> None:
        super().__init__("The backup was stopped, because its engine ends. The next engine makes it anew.")
