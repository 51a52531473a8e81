"""The `backup` block: where backups of the workspace are kept, how often the engine makes one, and their key."""

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from core.clock import read_duration
from core.errors import UsageError
from core.settings.webhooks import VARIABLE

LEAST = timedelta(minutes=1)
_VARIABLE_FORM = "the name of an environment variable: letters, digits and _; the key itself has no place here"


class BackupSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Backups of the workspace; without `every`, a person or a timer makes them (`bondx backup`)."""

    to: Annotated[
        str,
        Meta(
            max_length=4096,
            description="The folder of the backups, outside the workspace; relative to it, such as ../backups.",
        ),
    ] = ""
    every: Annotated[
        str, Meta(max_length=32, description="How often a running engine makes one, such as 6h or 1d; empty: never.")
    ] = ""
    keep: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Newest backups to keep in the folder; older ones go after each backup. null: all stay."),
    ] = None
    key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="The file with the key that encrypts them, which no other account may read; relative to the "
            "workspace. Keep it outside the workspace.",
            extra={"holds_secrets": True},
        ),
    ] = ""
    key_env: Annotated[
        str,
        Meta(
            pattern=VARIABLE,
            description="The environment variable with the key.",
            extra={"form_of_text": _VARIABLE_FORM, "holds_secrets": True},
        ),
    ] = ""
    key_command: Annotated[
        str,
        Meta(
            max_length=4096,
            description="A command that prints the key, such as pass show bondx-backup.",
            extra={"holds_secrets": True},
        ),
    ] = ""

    def __post_init__(self) -> None:
        if self.every and not self.to:
            raise ValueError("every needs to: name the folder of the backups")
        if sum(map(bool, (self.key_file, self.key_env, self.key_command))) > 1:
            raise ValueError("key_file, key_env and key_command exclude each other: leave only one")
        _ = self.period

    @property
    def period(self) -> timedelta | None:
        """The time between two backups; None if the engine makes none."""
        if not self.every:
            return None
        try:
            period = read_duration(self.every)
        except UsageError:
            raise ValueError("every must be a duration such as 30m, 6h or 1d") from None
        if period < LEAST:
            raise ValueError("every must be at least 1m")
        return period
