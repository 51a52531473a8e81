"""A list of the console as a file: where it goes, and what may not be overwritten."""

import asyncio
from pathlib import Path
from typing import Self

import msgspec

from console.context import ConsoleControls, ShownScreen
from console.presentation.csv_export import csv_text
from console.presentation.phrases import counted
from console.presentation.status import NO_FILES
from core.errors import CoreError, RefusedError, UsageError
from core.files import create_once, write_file
from core.home_paths import at_home
from core.output_files import require_output
from core.plain_files import require_plain


class TableFile(msgspec.Struct, frozen=True):
    """The rows of a list as of the key press, and the file they go to."""

    path: Path
    text: str
    n_rows: int
    n_unread: int
    replaces: bool

    @classmethod
    def of(cls, app: ConsoleControls, screen: ShownScreen, path: str | None, *, replaces: bool) -> Self:
        """Take the rows that are shown, all of them, in the order shown.

        Args:
            app: The console.
            screen: The screen with the list.
            path: The file; without it, or for a folder, a name with the screen and the time in the current folder.
            replaces: Whether an existing file is replaced.
        Raises:
            UsageError: There is no such folder.
            RefusedError: The file is in a workspace, or the console acts for another account.
        """
        app.require_own_account(NO_FILES)
        table = screen.shown_table()
        usual = f"bondx-{screen.place().screen}-{app.now():%Y%m%dT%H%M%SZ}.csv"
        try:
            file = _place_of(path or ".", usual)
        except (OSError, ValueError) as error:  # also a name too long
            raise UsageError(f"{path} cannot be a file: {getattr(error, 'strerror', None) or error}.") from None
        return cls(file, csv_text(table.chosen_columns, table.rows), len(table.rows), table.n_unread, replaces)

    async def write(self, app: ConsoleControls) -> None:
        """Write the file whole or not at all, and say where it is."""
        try:
            await asyncio.to_thread(self._write)
        except CoreError as error:
            app.say(str(error), "warn")
        except OSError as error:
            app.say(f"{self.path} cannot be replaced: {error.strerror or error}.", "warn")
        else:
            page = f", the page around the cursor of {self.n_rows + self.n_unread:,}," if self.n_unread else ""
            app.say(f"Wrote {counted(self.n_rows, 'row')}{page} to {self.path}", "good")

    def _write(self) -> None:
        content = self.text.encode("utf-8", "replace")
        if self.replaces:
            if self.path.is_symlink():
                raise RefusedError(f"{self.path} is a link to {self.path.resolve()}; name the file itself.")
            require_plain(self.path)
            write_file(self.path, content)
        elif not create_once(self.path, content):
            raise RefusedError(f"{self.path} exists; :export! csv FILE replaces it.")


def _place_of(path: str, usual: str) -> Path:
    file = at_home(path).absolute()
    if file.is_dir():
        file /= usual
    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {file.parent}.")
    require_output(file, option="", follows=True)
    return file
