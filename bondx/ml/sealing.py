"""`unseal`: the content of files that were encrypted at rest."""

from pathlib import Path
from typing import TYPE_CHECKING

from core.api.arguments import checked
from core.api.config import MLOpsConfig

if TYPE_CHECKING:
    from core.maintenance.sealing import UnsealedFile


@checked
def unseal(
    source: Path | str,
    out: Path | str,
    *,
    key_file: Path | str = "",
    key_env: str = "",
    key_command: str = "",
    config: MLOpsConfig | None = None,
) -> "list[UnsealedFile]":
    """Write a sealed file, or those of a folder, unsealed into a new place, as `bondx data unseal` does.

    Args:
        source: The file or the folder.
        out: The new file or folder.
        key_file: The file with the key, mode 600.
        key_env: Or the environment variable with it.
        key_command: Or a command that prints it; without any, what the settings of the workspace say.
        config: The workspace; by default the one that `MLOpsConfig.from_yaml()` finds. With a key, none is needed.
    Returns:
        Each file that was written, with its SHA-256.
    Raises:
        UsageError: It cannot be done as it was asked: no key, another key, a changed file; nothing was written.
    """
    from core.key_source import KeySource
    from core.maintenance.sealing import unseal as write_unsealed

    key = KeySource(file=str(key_file), env=key_env, command=key_command)
    if key == KeySource():
        _ = (config or MLOpsConfig.from_yaml()).workspace  # its settings name the key
    return write_unsealed(Path(source), Path(out), key)
