"""What taking a backup has done."""

import msgspec


class BackupResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup has done."""

    backup_id: str
    folder: str
    is_encrypted: bool
    n_files: int
    n_bytes: int  # of all files of the workspace
    n_new_bytes: int  # that this backup added to the folder
    n_unchanged_files: int  # known to be unchanged without reading them
    seconds: float
    held_seconds: float  # how long changes of the workspace had to wait
    audit_sequence: int
    manifest_sha256: str
    problems: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()  # earlier backups that `keep` dropped
    unaudited_because: str = ""
