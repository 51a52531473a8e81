"""The state files of a workspace, and the archive files of their older documents."""

from pathlib import Path

from core.state.archive import folder_of
from core.state.workspace import Workspace


def state_files(workspace: Workspace) -> list[Path]:
    """List the state files, including files of which only the previous generation is left."""
    return _with_missing(workspace.state_dir)


def archive_files(workspace: Workspace) -> list[Path]:
    """List the archive files, including files of which only the second copy is left."""
    return _with_missing(folder_of(workspace.state_file("registry")))


def archive_file(workspace: Workspace, file: Path) -> Path | None:
    """Return the archive file that a person names, by its path or its name; None if there is none."""
    return next((path for path in archive_files(workspace) if file.absolute() == path or file.name == path.name), None)


def _with_missing(folder: Path) -> list[Path]:
    present = set(folder.glob("[!.]*.json"))
    missing = {path.with_suffix("") for path in folder.glob("[!.]*.json.prev")}
    return sorted(present | missing)
