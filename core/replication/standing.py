"""What a replica knows of its control plane across restarts."""

from datetime import datetime
from pathlib import Path

import msgspec

from core.files import make_folder, write_file
from core.json_documents import decode_json
from core.plain_files import read_file


class ReplicaStanding(msgspec.Struct, frozen=True, kw_only=True):
    """When the control plane answered last, and what it said."""

    url: str
    tag: str = ""  # of the state that was applied; empty: it must be asked for again
    contact_at: datetime | None = None  # None: it has never answered
    is_withdrawn: bool = False  # nothing is served, since it has not answered for too long


def read_standing(file: Path) -> ReplicaStanding | None:
    """Return what was stored; None if nothing was, or it cannot be read: then everything is asked for again."""
    try:
        return decode_json(read_file(file), ReplicaStanding)
    except (OSError, msgspec.DecodeError):
        return None


def store_standing(file: Path, standing: ReplicaStanding) -> None:
    """Store it.

    Raises:
        FileAccessError: It cannot be written.
    """
    make_folder(file.parent)
    write_file(file, msgspec.json.encode(standing))
