"""The record of the models that ship, beside their files in the checkpoints of a session. Light."""

from pathlib import Path

import msgspec

from core.files import sha256_of
from core.json_documents import decode_json
from core.plain_files import read_file
from core.training.records import FinalRecord

FINAL_FOLDER = "final"
FINAL_RECORD = "final.json"


def read_final(folder: Path) -> FinalRecord | None:
    """Return the end of a session; None if it has none, or if a file of its models is missing or was changed.

    Args:
        folder: The folder of its checkpoints.
    """
    try:
        record = decode_json(read_file(folder / FINAL_FOLDER / FINAL_RECORD), FinalRecord)
        sound = all(
            sha256_of(folder / model.folder / name) == sha256
            for model in record.models
            for name, sha256 in model.files.items()
        )
    except (OSError, msgspec.DecodeError):
        return None
    return record if sound else None
