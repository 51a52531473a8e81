"""The description of one backup: every file with its hash, and the chunks that it consists of."""

from datetime import datetime

import msgspec

FORMAT = 1
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
    content_sha256: str = ""  # of a sealed file whose content was compared with a record


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

    @property
    def n_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size for file in self.files)
