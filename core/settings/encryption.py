"""The `encryption` block: which files are sealed on the disk, and where their key is."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from core.key_source import KeySource
from core.settings.key_places import KeyVariable, command_of_key, file_of_key, require_one_place


class SealedKind(StrEnum):
    """Files that can be sealed."""

    DATASETS = "datasets"
    EXPORTS = "exports"
    ARTIFACTS = "artifacts"


class EncryptionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Encryption at rest, by AES-256-GCM. Backups have a key of their own (`backup`)."""

    apply_to: Annotated[
        tuple[SealedKind, ...],
        Meta(
            description="Files that are written sealed: `datasets`, those of the workspace and the rows that "
            "retraining collects; `exports`, those of telemetry; `artifacts`, the files of registered versions."
        ),
    ] = ()
    key_file: Annotated[str, file_of_key("the key that seals files")] = ""
    key_env: KeyVariable = ""
    key_command: Annotated[str, command_of_key("bondx-files")] = ""

    def __post_init__(self) -> None:
        require_one_place(self.key_file, self.key_env, self.key_command)
        if self.apply_to and self.source == KeySource():
            raise ValueError("apply_to needs a key: name its key_file, key_env or key_command")

    @property
    def source(self) -> KeySource:
        """Where the key is; all empty: there is none."""
        return KeySource(file=self.key_file, env=self.key_env, command=self.key_command)
