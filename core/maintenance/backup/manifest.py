"""The description of one backup: every file with its hash, and the chunks that it consists of."""

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePosixPath

import msgspec

from core.escape import escaped, is_shown_as_is

FORMAT = 1
_MOST_OF_PART, _MOST_BYTES = 255, 4_000  # of the file systems of Linux
CHUNK_BYTES = 4 << 20
"""Files are stored in chunks of this size, so that a database in which a page changed is not stored whole again."""


class FileIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """By what a file is known to be unchanged since the backup before, without reading it."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a workspace."""

    path: str  # relative to the workspace
    size: int
    sha256: str
    mode: int
    chunks: tuple[str, ...]
    identity: FileIdentity | None = None  # None: read anew each time
    stored_sizes: tuple[int, ...] = ()  # of the chunks as they lie in the place; empty: of a release before
    content_sha256: str = ""  # of a sealed file whose content was compared with a record


def impossible_names(files: Iterable[StoredFile]) -> dict[str, str]:
    """Say which paths of a backup no file below a workspace can have, and why: its manifest is damaged, or made up.

    >>> file = StoredFile(path="", size=0, sha256="", mode=0, chunks=())
    >>> paths = ("state/a.json", "state/a.json/b", "..", "a\\0b", "/etc/x", ".")
    >>> list(impossible_names(msgspec.structs.replace(file, path=path) for path in paths))
    ['..', 'a\\x00b', '/etc/x', '.', 'state/a.json/b']
    """
    found, names = dict[str, str](), dict[PurePosixPath, str]()
    for file in files:
        name = PurePosixPath(file.path)
        sizes = [len(os.fsencode(each)) for each in (file.path, *name.parts)]
        if not is_shown_as_is(file.path) and "\0" not in file.path:
            found[file.path] = "holds characters that no file may have"
        elif name.is_absolute() or ".." in name.parts or not name.parts or "\0" in file.path:
            found[file.path] = "is no name of a file in a workspace"
        elif sizes[0] > _MOST_BYTES or max(sizes[1:]) > _MOST_OF_PART:
            most = f"{_MOST_OF_PART} bytes, and {_MOST_BYTES:,} with its folders"
            found[file.path] = f"is longer than a name can be, {most}"
        elif name in names:
            found[file.path] = "is named twice"
        else:
            names[name] = file.path
    below = (path for name, path in names.items() if not names.keys().isdisjoint(name.parents))
    return found | dict.fromkeys(below, "is below a file")


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """One backup."""

    format: int = FORMAT
    backup_id: str  # b-20261127T201724Z
    at: datetime  # the instant at which the workspace was like this
    workspace: str
    host: str
    release: str
    audit_sequence: int  # the last record of the audit log, and its hash
    audit_hash: str
    files: tuple[StoredFile, ...]
    problems: tuple[str, ...] = ()  # what is missing or damaged in the workspace itself, a sentence each
    left_out: tuple[str, ...] = ()  # links and what is no file

    def legible(self) -> "BackupManifest":
        """Return the manifest with texts that a terminal shows: whoever wrote it chose them."""
        return msgspec.structs.replace(
            self,
            workspace=escaped(self.workspace),
            host=escaped(self.host),
            release=escaped(self.release),
            audit_hash=escaped(self.audit_hash),
            problems=tuple(map(escaped, self.problems)),
            left_out=tuple(map(escaped, self.left_out)),
        )

    @property
    def n_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size for file in self.files)
