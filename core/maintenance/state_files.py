"""The state files of a workspace."""

from pathlib import Path

from core.state.workspace import Workspace


def state_files(workspace: Workspace) -> list[Path]:
    """List the state files, including files of which only the previous generation is left."""
    present = set(workspace.state_dir.glob("*.json"))
    missing = {path.with_suffix("") for path in workspace.state_dir.glob("*.json.prev")}
    return sorted(present | missing)
