"""What a repository of backups asks of the place in which it lies: a folder here, or a file system elsewhere.

Names are relative and use slashes: `objects/ab/abcd…`, `backups/b-….json`.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from core.errors import CoreError

ASIDE: Final = ".damaged"
"""How the name of content ends that was set aside."""


class BackupPlace(Protocol):
    """A place in which backups lie."""

    n_readers: int
    """How many reads at once are worth it."""

    def __str__(self) -> str:
        """Return its name, which holds no credential."""

    def where(self, name: str) -> Path | str:
        """Return how a message names a file of it."""

    def locked(self) -> AbstractContextManager[None]:
        """Hold the place for one writer.

        Raises:
            BackupBusyError: Another process writes to it.
            CoreError: It cannot be written.
        """

    def begin(self) -> bool:
        """Remove what a killed writer left unfinished, with the place held.

        Returns:
            Whether content that no backup names may have been cut short.
        """

    def swept(self) -> None:
        """Learn that no content is here any more that may be cut short."""

    def size_of(self, name: str) -> int | None:
        """Return the size of some content; None if it is not here; with the place held, after `begin`."""

    def set_aside(self, name: str) -> None:
        """Give damaged content another name, so that it counts no more; with the place held.

        Raises:
            CoreError: It cannot be renamed.
        """

    def stage(self, name: str, content: bytes) -> None:
        """Write new content, which is durable and has its name after `settle`.

        Raises:
            CoreError: It cannot be written.
        """

    def settle(self, names: Iterable[str]) -> int:
        """Make staged content durable, give it its name, and return how many bytes it takes.

        Raises:
            CoreError: It cannot be written.
        """

    def discard(self, names: Iterable[str]) -> None:
        """Remove new content as far as that can be done, because the backup failed."""

    def read(self, name: str, *, most: int) -> bytes:
        """Return the first bytes of a file, of staged content as well.

        Raises:
            FileNotFoundError: There is none.
            OSError: This machine cannot read it, so it is damaged.
            CoreError: The file system elsewhere does not answer, which says nothing about the file.
        """

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole, durably, or not at all.

        Raises:
            CoreError: It cannot be written.
        """

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder; none if there is no such folder.

        Raises:
            CoreError: It cannot be listed.
        """

    def objects(self) -> Mapping[str, int]:
        """Return the size of all content by its name in the place.

        Raises:
            CoreError: It cannot be listed.
        """

    def remove(self, names: Iterable[str]) -> None:
        """Remove files that are there.

        Raises:
            CoreError: One cannot be removed.
        """

    def is_new(self, first: str) -> bool:
        """Say whether nothing is here yet but the start of a repository.

        Args:
            first: Its first file, which a process may be writing, or was when it was killed.
        Raises:
            CoreError: It cannot be listed.
        """

    def make(self, name: str, content: bytes) -> None:
        """Make the place, and its first file unless another process was faster; with the place held if it is elsewhere.

        Raises:
            CoreError: It cannot be written.
        """


class TargetError(CoreError):
    """A file system elsewhere did not do what was asked of it."""

    def __init__(self, where: str, action: str, reason: str) -> None:
        kept = " Earlier backups were not changed." if action == "write" else ""
        super().__init__(f"Cannot {action} {where}: {reason}.{kept}")
