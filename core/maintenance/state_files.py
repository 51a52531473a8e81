"""The state files of a workspace, and the archive files of their older documents."""

from contextlib import suppress
from pathlib import Path

from core.state.archive import folder_of
from core.state.generation import listed_archive, previous_of
from core.state.workspace import Workspace


def state_files(workspace: Workspace) -> list[Path]:
    """List the state files, including files of which only the previous generation is left."""
    present = set(workspace.state_dir.glob("*.json"))
    missing = {path.with_suffix("") for path in workspace.state_dir.glob("*.json.prev")}
    return sorted(present | missing)


def archive_files(workspace: Workspace) -> list[Path]:
    """List the archive files that a state file or its previous generation lists, whether they exist or not."""
    found = set()
    for file in state_files(workspace):
        for generation in (file, previous_of(file)):
            with suppress(ValueError, OSError):  # a damaged state file is reported as such
                found |= {folder_of(file) / name for name in listed_archive(generation) if name == Path(name).name}
    return sorted(found)


def archive_file(workspace: Workspace, file: Path) -> Path | None:
    """Return the archive file that a person names, by its path or its name; None if there is none."""
    return next((path for path in archive_files(workspace) if file.absolute() == path or file.name == path.name), None)
