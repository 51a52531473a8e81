"""The settings in force in one process: `bondx.yaml` of a workspace, with the file of `--config` over it.

The file stands in `BONDX_CONFIG` of the environment, so that the processes that a command starts read it, too.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from core.environment_variables import environment_variable
from core.home_paths import at_home
from core.settings.load import load_cached_settings, load_settings
from core.settings.settings import Settings

VARIABLE = "BONDX_CONFIG"
SETTINGS_NAME = "bondx.yaml"
_unread: list[str] = []


def named_config(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that `--config` or `BONDX_CONFIG` names; None if neither does."""
    name = environ.get(VARIABLE, "")
    return at_home(name).absolute() if name else None


def settings_files(root: Path, config: Path | None = None) -> tuple[Path, ...]:
    """Return the settings files of a workspace; the last file wins.

    Args:
        root: The folder of the workspace.
        config: A file over `bondx.yaml`; by default that of `named_config`.
    """
    over = config or named_config()
    return (root / SETTINGS_NAME, *([over] if over else []))


def settings_in_force(root: Path, *, config: Path | None = None, cached_in: Path | None = None) -> Settings:
    """Read the settings of a workspace.

    Args:
        root: Its folder.
        config: A file over `bondx.yaml`; by default that of `named_config`.
        cached_in: The cache of `bondx.yaml`; see `core.settings.cache`. Without it, the file is parsed.
    Raises:
        SettingsError: A file cannot be read, or holds an unknown key or a value out of its range.
    """
    if _unread and os.path.realpath(root) in _unread:
        return Settings()
    base, *over = settings_files(root, config)
    if cached_in is None:
        return load_settings(base, *over)
    return load_cached_settings(base, *over, cached_in=cached_in)


@contextmanager
def settings_unread(root: Path) -> Iterator[None]:
    """Within it, a workspace has the settings by default: somebody else wrote its file, and may name commands there."""
    _unread.append(place := os.path.realpath(root))
    try:
        yield
    finally:
        _unread.remove(place)


def laid_over(file: Path) -> AbstractContextManager[None]:
    """Within it, this process and the processes that it starts read a file over the settings of every workspace."""
    return environment_variable(VARIABLE, str(at_home(file).absolute()))
