"""Take a backup of the workspace now, in the folder of the settings."""

from typing import Any

from console.presentation.offer import Offer
from console.presentation.phrases import counted, size
from console.verbs.offer import OfferContext
from console.verbs.verb import Change, Command
from widgets.line import Line, section


class BackUp(Change[None]):
    """Copy the whole workspace while it works."""

    name = "backup"
    command = Command("take a backup of the workspace now, as backup: in the settings says")

    def offer(self, context: OfferContext, thing: None, *options: Any) -> Offer:
        """Offer it, with its folder and the last backup.

        Raises:
            SettingsError: The settings cannot be read.
        """
        from core.errors import UsageError
        from core.maintenance.backup.configured import back_up_as_configured, target_in_settings
        from core.maintenance.backup.history import BackupHistory
        from core.settings import settings_in_force

        settings = settings_in_force(context.workspace.root).backup
        try:
            folder, refusal = str(target_in_settings(settings, context.workspace.root)), None
        except UsageError as error:
            folder, refusal = "none", str(error)
        last = BackupHistory(context.workspace).last()

        def commit(reason: str) -> str:
            result = back_up_as_configured(context.workspace, settings, actor=context.actor, reason=reason)
            wrong = f" {result.problems[0]}." if result.problems else ""
            files = counted(result.n_files, "file")
            return f"Backed up {files} as {result.backup_id}, {size(result.n_new_bytes)} new.{wrong}"

        is_encrypted = bool(settings.key_file or settings.key_env or settings.key_command)
        facts = (
            ("folder", folder),
            ("encrypted", "yes" if is_encrypted else "no"),
            ("stay", f"the newest {settings.keep}" if settings.keep else "all"),
            ("last", f"{last.backup_id}, {last.at:%Y-%m-%d %H:%M} UTC" if last else "none yet"),
        )
        return Offer(
            title="Back up the workspace",
            lines=(
                *(Line(((f"{name:<11}", "muted"), (value, ""))) for name, value in facts),
                *section(
                    "What will happen",
                    ("Changes wait for milliseconds; then the copy is made beside all work, and verified.",),
                ),
            ),
            confirm="Back up",
            doing="Backing up the workspace",
            refusal=refusal,
            commit=commit,
        )


BACK_UP = BackUp()
