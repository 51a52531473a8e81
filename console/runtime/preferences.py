"""What a console remembers of its user: the columns of each list. A file of the user's own, never of the workspace."""

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from core.errors import CoreError
from core.files import write_file
from core.json_documents import decode_json
from core.plain_files import open_plain

MAX_BYTES = 65_536
log = logging.getLogger("bondx.console")


class Preferences(msgspec.Struct, frozen=True):
    """The choices of a user."""

    columns: dict[str, tuple[str, ...]] = {}
    """The names of the shown columns, from left to right, by the name of their list."""

    keys: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """The keys by the id of what they do, in every workspace; without any, those of the workspace's settings."""


def preferences_file(environ: Mapping[str, str]) -> Path:
    """Return the file of the user who runs this process."""
    if sys.platform.startswith("linux"):
        folder = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "bondx"
    else:
        import platformdirs

        folder = Path(platformdirs.user_config_dir("bondx", appauthor=False))
    return folder / "console.json"


def read_preferences(file: Path) -> Preferences:
    """Read a user's choices; a file that is missing, or holds anything else, counts as no choice."""
    try:
        with open_plain(file) as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES} bytes")
        return decode_json(content, Preferences)
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError) as error:
        log.warning("%s is ignored: %s", file, error)
        return Preferences()


def write_keys(file: Path, keys: Mapping[str, str]) -> None:
    """Make these the keys of a file of preferences; the other choices in it stay.

    Raises:
        FileAccessError: It cannot be written.
    """
    read = read_preferences(file)
    wanted = Preferences(columns=read.columns, keys=dict(keys) or msgspec.UNSET)
    if wanted != read:
        write_file(file, msgspec.json.format(msgspec.json.encode(wanted)))


class UserPreferences:
    """The choices of the user: read at first use, and written with each choice."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._read: Preferences | None = None

    @property
    def file(self) -> Path:
        """The file of the user."""
        if self._file is None:
            self._file = preferences_file(os.environ)
        return self._file

    @property
    def keys(self) -> Mapping[str, str]:
        """The keys that the user chose, by the id of what they do; none without a choice."""
        keys = self._choices().keys
        return {} if isinstance(keys, msgspec.UnsetType) else keys

    def _choices(self) -> Preferences:
        if self._read is None:
            self._read = read_preferences(self.file)
        return self._read

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the names of the columns that the user chose for a list; none without a choice."""
        return self._choices().columns.get(table, ())

    def choose_columns(self, table: str, names: tuple[str, ...]) -> str | None:
        """Remember the columns of a list; without names the usual columns.

        Returns:
            The reason why they are remembered only until the console closes, if the file could not be written.
        """
        # Read again: another console of the user may have chosen the columns of another list meanwhile.
        read = read_preferences(self.file)
        columns = {**read.columns, table: names}
        self._read = Preferences(columns={name: chosen for name, chosen in columns.items() if chosen}, keys=read.keys)
        try:
            write_file(self.file, msgspec.json.format(msgspec.json.encode(self._read)))
        except CoreError as error:
            return str(error)
        return None
