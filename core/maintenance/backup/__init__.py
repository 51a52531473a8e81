"""Backups of a workspace: taken while it runs, kept by content, verified, and restored whole or not at all.

`instant.py` holds a workspace still for the moment in which its files are opened, `creation.py` copies them,
`repository.py` is the place that holds backups, a folder (`folder_place.py`) or a file system elsewhere
(`remote_place.py`, with one writer by `writer.py`), `sealing.py` packs, hashes and encrypts what is in it,
`manifest.py` describes one backup, `restoring.py` makes a workspace of it, `history.py` records what was
backed up, `schedule.py` says when the next one is due.
"""

from core.maintenance.backup.creation import create_backup
from core.maintenance.backup.errors import BackupDamagedError, BackupKeyError
from core.maintenance.backup.manifest import BackupManifest, StoredFile
from core.maintenance.backup.repository import BackupRepository, BackupVerdict, ListedBackup
from core.maintenance.backup.restoring import (
    RestoreResult,
    killed_restorations,
    remove_killed_restorations,
    restore_model,
    restore_workspace,
)
from core.maintenance.backup.result import BackupResult
from core.settings.backup_address import BackupAddress, BackupTarget, target_of

__all__ = [
    "BackupAddress",
    "BackupDamagedError",
    "BackupKeyError",
    "BackupManifest",
    "BackupRepository",
    "BackupResult",
    "BackupTarget",
    "BackupVerdict",
    "ListedBackup",
    "RestoreResult",
    "StoredFile",
    "create_backup",
    "killed_restorations",
    "remove_killed_restorations",
    "restore_model",
    "restore_workspace",
    "target_of",
]
