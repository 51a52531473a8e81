"""Backups over HTTP: those of the folder of the settings. A caller names no folder of the machine and no key."""

from typing import Annotated

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from core.maintenance.backup import BackupResult, BackupVerdict, ListedBackup
from core.maintenance.backup.configured import back_up_as_configured, open_configured
from core.serving.authenticator import Caller
from core.serving.control.admission import ADMINISTER, INSPECT, Given
from core.settings import settings_in_force
from core.state import Workspace
from core.text_limits import MAX_REASON


class NewBackup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a new backup."""

    reason: Annotated[str, Meta(max_length=MAX_REASON)] = ""


class BackupRoutes(Controller):
    """Backups."""

    path = "/backups"
    tags = ["backups"]

    @get("/", opt=INSPECT, sync_to_thread=True)
    def list_backups(self, workspace: Given[Workspace]) -> list[ListedBackup]:
        """List the backups in the folder of the settings, the newest first."""
        return open_configured(workspace).listed()

    @post("/", opt=ADMINISTER, sync_to_thread=True)
    def make_backup(
        self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[NewBackup]
    ) -> BackupResult:
        """Take a backup as the settings say; the answer comes once it is verified."""
        return back_up_as_configured(
            workspace, settings_in_force(workspace.root).backup, actor=caller.actor, reason=data.reason
        )

    @get("/{backup_id:str}/verification", opt=INSPECT, sync_to_thread=True)
    def verify_backup(self, workspace: Given[Workspace], backup_id: FromPath[str]) -> BackupVerdict:
        """Read every byte of a backup and compare it with its hash."""
        return open_configured(workspace).verify(backup_id)
