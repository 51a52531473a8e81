"""The backup that the settings describe: its folder or address, its key, how many stay."""

from collections.abc import Callable
from pathlib import Path

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import UsageError
from core.key_source import KeySource
from core.maintenance.backup.creation import create_backup
from core.maintenance.backup.repository import BackupRepository
from core.maintenance.backup.result import BackupResult
from core.settings import settings_in_force
from core.settings.backup import BackupSettings
from core.settings.backup_address import BackupTarget, target_of
from core.state.workspace import Workspace


def target_in_settings(settings: BackupSettings, root: Path, option: str = "") -> BackupTarget:
    """Return the folder or the address of the settings.

    Args:
        settings: What they say of backups.
        root: The workspace.
        option: The option of the command line that names another place; empty without one.
    Raises:
        UsageError: They name none.
    """
    if not settings.to:
        given = f"give {option} FOLDER, or " if option else ""
        raise UsageError(f"No folder of backups is named: {given}set backup.to in bondx.yaml (../backups).")
    return target_of(settings.to, root)


def key_source(settings: BackupSettings) -> KeySource:
    """Return where the settings say that the key is."""
    return KeySource(file=settings.key_file, env=settings.key_env, command=settings.key_command)


def open_configured(workspace: Workspace) -> BackupRepository:
    """Open the place of the settings.

    Raises as `target_in_settings`, `KeySource.read` and `BackupRepository.open` do.
    """
    settings = settings_in_force(workspace.root).backup
    return BackupRepository.open(
        target_in_settings(settings, workspace.root), key_source(settings).read(workspace.root)
    )


def back_up_as_configured(
    workspace: Workspace,
    settings: BackupSettings,
    *,
    actor: Actor,
    reason: str = "",
    clock: Clock = utc_now,
    is_stopped: Callable[[], bool] = lambda: False,
) -> BackupResult:
    """Take a backup as settings say; raises as `target_in_settings`, `KeySource.read` and `create_backup` do."""
    return create_backup(
        workspace,
        target_in_settings(settings, workspace.root),
        key_source(settings).read(workspace.root),
        actor=actor,
        reason=reason,
        keep=settings.keep,
        option="backup.to",
        clock=clock,
        is_stopped=is_stopped,
    )
