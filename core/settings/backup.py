"""The `backup` block: where backups of the workspace are kept, how often the engine makes one, and their key."""

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from core.clock import read_duration
from core.errors import UsageError
from core.settings.backup_address import is_address, problem_of
from core.settings.key_places import KeyVariable, command_of_key, file_of_key, require_one_place

LEAST = timedelta(minutes=1)


class BackupSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Backups of the workspace; without `every`, a person or a timer makes them (`bondx backup`)."""

    to: Annotated[
        str,
        Meta(
            max_length=4096,
            description="The folder of the backups, outside the workspace; relative to it, such as ../backups. Or an "
            "address that fsspec opens, such as s3://safe/desk, without a password (extra fsspec).",
            extra={"holds_secrets": True},
        ),
    ] = ""
    every: Annotated[
        str, Meta(max_length=32, description="How often a running engine makes one, such as 6h or 1d; empty: never.")
    ] = ""
    keep: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Newest backups to keep in the folder; older ones go after each backup. null: all stay."),
    ] = None
    key_file: Annotated[str, file_of_key("the key that encrypts them")] = ""
    key_env: KeyVariable = ""
    key_command: Annotated[str, command_of_key("bondx-backup")] = ""

    def __post_init__(self) -> None:
        if self.every and not self.to:
            raise ValueError("every needs to: name the folder of the backups")
        if is_address(self.to) and (problem := problem_of(self.to)):
            raise ValueError(f"to: {problem}")
        require_one_place(self.key_file, self.key_env, self.key_command)
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
