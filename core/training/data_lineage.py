"""The lineage of a session's data sets: the record beside the files, and the command that draws them again. Light."""

import re
from pathlib import Path
from typing import Any

import msgspec

from core.errors import UsageError
from core.json_documents import decode_json
from core.plain_files import read_file
from core.training.records import DrawRecord
from core.training.reports import REPRODUCE
from core.typed_numbers import whole_number

LINEAGE_FILE = "lineage.json"
_EPOCH = re.compile(r"epoch_(-?[0-9]{3,18})")  # as `epoch_name` spells them, a wrong one included


class DataFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a data set."""

    sha256: str
    n_bytes: int
    n_rows: int


class DataSetLineage(msgspec.Struct, frozen=True, kw_only=True):
    """The origin of a session's data set, complete enough to draw it again; has no time, host or user.

    Attributes:
        name: "validation", "draws", a test panel, or an epoch, such as "epoch_0007".
        content: Its seed, its size, and the SHA-256 of its values, which no file format changes.
        settings: The settings of the session.
        files: By name.
    """

    name: str
    domain: str
    synthetic: bool = True
    notice: str
    content: DrawRecord
    random_seed: int
    settings: dict[str, Any]
    settings_sha256: str
    reproduce: str
    library_versions: dict[str, str]
    files: dict[str, DataFile]


def epoch_name(epoch: int) -> str:
    """Name the data set of an epoch.

    >>> epoch_name(7)
    'epoch_0007'
    """
    return f"epoch_{epoch:04d}"


def epoch_of(name: str) -> int | None:
    """Return the epoch of a data set; None for a panel.

    >>> epoch_of("epoch_0007"), epoch_of("validation"), epoch_of("epoch_x")
    (7, None, None)
    """
    found = _EPOCH.fullmatch(name)
    return None if found is None else whole_number(found[1])


def command_for(name: str) -> str:
    """Return the command that draws a data set again from the final report, beside that report.

    >>> command_for("epoch_0007")
    'bondx data reproduce final_report.json --epoch 7 --out DIR'
    """
    epoch = epoch_of(name)
    wanted = f"--panel {name}" if epoch is None else f"--epoch {epoch}"
    return REPRODUCE.replace("--out", f"{wanted} --out")


def kept_data_sets(folder: Path) -> list[DataSetLineage]:
    """Return the lineage of every data set that a session keeps, by name.

    Args:
        folder: The folder of its data sets; it may be absent.
    Raises:
        UsageError: A lineage cannot be read.
    """
    return [_lineage(file) for file in sorted(folder.glob(f"[!.]*/{LINEAGE_FILE}"))]


def _lineage(file: Path) -> DataSetLineage:
    try:
        return decode_json(read_file(file), DataSetLineage)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.") from None
