"""The workspaces that a person has opened recently, in a file of the person's own account."""

from datetime import datetime
from pathlib import Path

import msgspec

from core.errors import NotFoundError, UsageError
from core.files import write_file
from core.home_paths import at_home
from core.json_documents import decode_json
from core.plain_files import read_file
from core.state.workspace import SETTINGS_NAME, Workspace

MAX_WORKSPACES = 20


class RecentWorkspace(msgspec.Struct, frozen=True):
    """A workspace, and when it was last opened in a console."""

    path: str
    opened_at: datetime

    @property
    def name(self) -> str:
        """The name of its folder."""
        return Path(self.path).name

    @property
    def exists(self) -> bool:
        """Whether the folder still holds a workspace."""
        return Workspace(Path(self.path)).settings_file.is_file()


class RecentWorkspaces:
    """The list of one person. A list that cannot be read is empty: it is a convenience, and nothing depends on it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @classmethod
    def of_user(cls) -> "RecentWorkspaces":
        """Return the list of the account that runs this process."""
        import platformdirs  # no first frame needs it

        return cls(Path(platformdirs.user_data_dir("bondx", appauthor=False)) / "workspaces.json")

    def all(self) -> list[RecentWorkspace]:
        """Return the workspaces, the last opened first."""
        try:
            return decode_json(read_file(self._file), list[RecentWorkspace])
        except (OSError, msgspec.DecodeError):
            return []

    def remember(self, root: Path, now: datetime) -> None:
        """Put a workspace first, and drop the oldest beyond `MAX_WORKSPACES`.

        Raises:
            FileAccessError: The list cannot be written.
        """
        others = [each for each in self.all() if each.path != str(root)]
        kept = [RecentWorkspace(str(root), now), *others][:MAX_WORKSPACES]
        write_file(self._file, msgspec.json.format(msgspec.json.encode(kept)), durable=False)

    def find(self, word: str) -> Path:
        """Return the folder that a path or the name of a recent workspace means.

        Raises:
            NotFoundError: No recent workspace has this name, and no folder of this path holds one.
            UsageError: Several recent workspaces have this name.
        """
        named = [each for each in self.all() if each.name == word]
        if len(named) > 1:
            raise UsageError(f"Several workspaces are named {word}: type the path, {', '.join(e.path for e in named)}.")
        path = Path(named[0].path) if named else at_home(word).absolute()
        if not named and "/" not in word and not (path / SETTINGS_NAME).is_file():
            known = ", ".join(each.name for each in self.all()) or "none yet"
            raise NotFoundError(f"There is no recent workspace {word}. Type a path, or one of: {known}.")
        return path
