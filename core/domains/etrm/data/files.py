"""A data set as files, written while it is drawn: complete or not at all, in memory that its size does not change."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from core.domains.etrm.data.assembly import GENERATOR_VERSION, TABLES, assemble
from core.domains.etrm.data.market import open_market
from core.domains.etrm.data.series_file import NOTICE, arrays_file, series_arrays
from core.domains.etrm.data.settings import ETRMDataConfig
from core.domains.etrm.data.tables import TableWriter
from core.files import FolderInUseError, digest, is_occupied, sha256_of, write_file, write_folder
from core.progress import begins

METADATA_FILE = "metadata.json"
NOTICE_FILE = "SYNTHETIC.txt"
TEXTS_FILE = "text_descriptions.txt"
SERIES_FILE = "price_series.npz"
TRUTH = "truth"
_QUOTED = ("compliance",)  # its reasons are sentences


def write_data_set(settings: ETRMDataConfig, folder: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Draw a data set and write it into a folder that appears complete or not at all.

    Args:
        settings: What to draw; the same settings give the same bytes in every file.
        folder: Created if missing, with its parent.
        overwrite: Replace a folder that is not empty.
    Returns:
        The metadata, as written to `metadata.json`.
    Raises:
        FolderInUseError: The folder is not empty, and may not be overwritten.
        FileAccessError: It could not be written; what was there is kept.
    """
    if is_occupied(folder) and not overwrite:
        raise FolderInUseError(folder)
    metadata: dict[str, Any] = {}
    write_folder(folder, _filler(settings, metadata))
    return metadata


def _filler(settings: ETRMDataConfig, metadata: dict[str, Any]) -> Callable[[Path], None]:
    """Return what writes the files; it adds to the metadata."""

    def fill(unfinished: Path) -> None:
        market = open_market(settings)
        with ExitStack() as stack:
            sink = _Files(unfinished, stack)
            lines, facts = assemble(market, sink)
        begins("writing texts and prices")
        write_file(unfinished / TEXTS_FILE, "".join(f"{line}\n" for line in lines).encode(), durable=False)
        write_file(unfinished / SERIES_FILE, arrays_file(series_arrays(market.prices)), durable=False)
        notice = f"{NOTICE}\nHow these files were made: {METADATA_FILE}\n"
        write_file(unfinished / NOTICE_FILE, notice.encode(), durable=False)
        encoded = msgspec.json.encode(settings, order="sorted")
        metadata.update(facts)
        metadata["settings"] = msgspec.json.decode(encoded)
        metadata["settings_sha256"] = digest(encoded)
        metadata["library_versions"] = {
            "numpy": np.__version__,
            "pandas": pd.__version__,
            "pyarrow": pa.__version__,
        }
        metadata["files"] = {
            path.name: {"sha256": sha256_of(path), "n_bytes": path.stat().st_size}
            for path in sorted(unfinished.iterdir())
        }
        content = msgspec.json.format(msgspec.json.encode(metadata, order="sorted")) + b"\n"
        write_file(unfinished / METADATA_FILE, content, durable=False)

    return fill


class _Files:
    """The tables as files."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        about = {"synthetic": "true", "notice": NOTICE, "generator_version": GENERATOR_VERSION}
        self._writers = {
            name: stack.enter_context(TableWriter(folder, name, about, is_quoted=name in _QUOTED))
            for name in (*TABLES, TRUTH)
        }

    def rows(self, table: str, frame: pd.DataFrame) -> None:
        """Write the next rows of a table."""
        self._writers[table].write(frame)
