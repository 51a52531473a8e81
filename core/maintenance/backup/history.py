"""What was backed up lately: a document for each backup, so that a console and an engine know when the last one was."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.governance.anchors import Anchor
from core.governance.audit import audited
from core.maintenance.backup.result import BackupResult

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE: Final = "backups"
TABLE: Final = "backups"
KEPT: Final = 100


class RecordedBackup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was finished."""

    key: str  # its folder and its id: "/mnt/safe/b-20261127T201724Z"
    backup_id: str
    folder: str
    at: datetime
    ended_at: datetime
    by: str
    n_files: int
    n_bytes: int
    n_new_bytes: int
    seconds: float
    is_encrypted: bool
    audit_sequence: int  # the last record that is in it
    audit_hash: str
    manifest_sha256: str
    n_problems: int = 0
    revision: int = 0


class BackupHistory:
    """The backups of one workspace, as it remembers them; the folders themselves may be elsewhere by now."""

    def __init__(self, workspace: "Workspace", *, clock: Clock = utc_now) -> None:
        """Open it.

        Args:
            workspace: The workspace.
            clock: The time.
        """
        self._workspace = workspace
        self._clock = clock

    @property
    def _documents(self) -> "Documents[RecordedBackup]":
        return self._workspace.database(DATABASE).documents(TABLE, RecordedBackup, key="key")

    def all(self) -> list[RecordedBackup]:
        """Return the backups, the newest first."""
        return sorted(self._documents.all(), key=lambda each: (each.at, each.key), reverse=True)

    def last(self, folder: str | None = None) -> RecordedBackup | None:
        """Return the newest backup, of one folder or of all."""
        return next((each for each in self.all() if folder in (None, each.folder)), None)

    def succeeded(self, result: BackupResult, anchor: Anchor, *, actor: Actor, reason: str) -> RecordedBackup:
        """Record a finished backup; the oldest records make room for it.

        Raises:
            CoreError: It cannot be recorded.
        """
        recorded = RecordedBackup(
            key=f"{result.folder}/{result.backup_id}",
            by=str(actor),
            at=anchor.at,
            ended_at=self._clock(),
            audit_sequence=anchor.sequence,
            audit_hash=anchor.hash,
            n_problems=len(result.problems),
            **{
                name: getattr(result, name)
                for name in (
                    "backup_id",
                    "folder",
                    "n_files",
                    "n_bytes",
                    "n_new_bytes",
                    "seconds",
                    "is_encrypted",
                    "manifest_sha256",
                )
            },
        )
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock, may_wait=True) as change:
            self._documents.remove_all(each.key for each in self.all()[KEPT - 1 :])
            self._documents.insert(recorded)
            after = {"folder": result.folder, "files": result.n_files, "bytes": result.n_bytes}
            after |= {"manifest_sha256": result.manifest_sha256, "record": anchor.sequence, "hash": anchor.hash}
            change.record("backup.create", result.backup_id, after={**after, "removed": list(result.removed)})
        return recorded
