"""The files of a run on their way to another program: private copies of the bytes that the run has recorded."""

from pathlib import Path

from core.errors import RefusedError
from core.files import make_folder, write_new
from core.settings.sealing import opened_content
from core.state import Workspace
from core.tracking.run import Run, RunArtifact


class ChangedRunFileError(RefusedError):
    """A file of a run is not the file that the run has recorded."""

    def __init__(self, run_id: str, artifact: RunArtifact, problem: str) -> None:
        super().__init__(
            f"{artifact.path} of run {run_id} {problem}, so nothing was exported. Restore the file from a backup, or "
            "remove it to export the run without it."
        )


def copy_run_files(workspace: Workspace, run: Run, place: Path) -> list[Path]:
    """Copy the files of a run, each opened once and hashed on the way.

    What is exported is what was hashed, whatever happens to the file meanwhile. A file that is gone is left out.

    Args:
        workspace: The workspace of the run.
        run: The run.
        place: A private folder.

    Returns:
        The copies, each under its own name in a folder of its own.
    Raises:
        ChangedRunFileError: A file differs from its record, or is no plain file.
    """
    copies = []
    for number, artifact in enumerate(run.artifacts):
        try:
            content = opened_content(workspace.root / artifact.path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ChangedRunFileError(run.run_id, artifact, f"cannot be read ({error.strerror or error})") from error
        copy = place / str(number) / Path(artifact.path).name
        make_folder(copy.parent)
        with content:
            found = write_new(copy, content, durable=False)
        if found != (artifact.sha256, artifact.n_bytes):
            raise ChangedRunFileError(run.run_id, artifact, "was changed since the run recorded it")
        copies.append(copy)
    return copies
