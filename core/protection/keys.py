"""The key of pseudonyms and noise: from a private file, the environment or a command; never an argument, never kept."""

from pathlib import Path

from core.key_source import KeySource
from core.settings.protection import ProtectionSettings

OF = "pseudonyms"


def key_of(protection: ProtectionSettings, root: Path, named: KeySource | None = None) -> bytes | None:
    """Return the key; None if neither a person nor the settings say where it is.

    Args:
        protection: The settings.
        root: The workspace, where a relative file of the settings begins.
        named: Where a person says that it is; a relative file begins in the present folder.
    Raises:
        KeySourceError: It cannot be read, or is too short.
    """
    if named is not None and named != KeySource():
        return named.read(of=OF)
    source = KeySource(file=protection.key_file, env=protection.key_env, command=protection.key_command)
    return source.read(root, of=OF)
