"""A panel as files: Parquet, CSV and JSON lines with their lineage, written completely or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from core.domains.bonds.data.columns import COLUMNS, TRUTH_COLUMNS, BondColumn
from core.domains.bonds.data.panel import CATEGORIES, GENERATOR_VERSION, NOTICE, BondPanel
from core.domains.bonds.data.settings import PanelSettings
from core.errors import NotFoundError, UsageError
from core.files import FolderInUseError, digest, is_occupied, sha256_of, write_file, write_folder
from core.json_documents import decode_json
from core.plain_files import read_file
from core.progress import begins
from core.tables.data_files import FORMATS, WRITERS, DataFormat, write_parquet

LINEAGE_FILE = "lineage.json"
NOTICE_FILE = "SYNTHETIC.txt"

_ARROW_TYPES = {
    "string": pa.string(),
    "date": pa.date32(),
    "category": pa.string(),
    "float": pa.float64(),
    "int": pa.int64(),
    "bool": pa.bool_(),
}


class DamagedPanelError(UsageError):
    """The files of a panel do not match its lineage."""


class FileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a data set."""

    sha256: str
    n_bytes: int
    n_rows: int


class PanelLineage(msgspec.Struct, frozen=True, kw_only=True):
    """The origin of a data set, complete enough to reproduce it; has no time, host or user."""

    dataset: str
    synthetic: bool
    notice: str
    generator_version: str
    settings: PanelSettings
    settings_sha256: str
    calibration_sha256: str
    library_versions: dict[str, str]
    metadata: dict[str, Any]
    files: dict[str, FileRecord]


def settings_digest(settings: PanelSettings) -> str:
    """Return the SHA-256 of a panel's settings."""
    return digest(msgspec.json.encode(settings, order="sorted"))


def write_panel(
    panel: BondPanel, folder: Path, *, formats: Sequence[DataFormat] = FORMATS, overwrite: bool = False
) -> PanelLineage:
    """Write a panel, its truth and its lineage into a folder that appears complete or not at all.

    The truth is a separate file, always Parquet. The same panel gives the same bytes in every file.

    Args:
        panel: The panel.
        folder: Created if missing, with its parent.
        formats: The formats to write: Parquet, CSV, JSON lines.
        overwrite: Replace a folder that is not empty.
    Returns:
        The lineage, as written to `lineage.json`.
    Raises:
        FolderInUseError: The folder is not empty, and may not be overwritten.
        UsageError: A format is unknown, or no format was given.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise UsageError(f"Unknown format {unknown[0]!r}. Known formats: {', '.join(FORMATS)}.")
    if not formats:
        raise UsageError(f"No format was given. Known formats: {', '.join(FORMATS)}.")
    if is_occupied(folder) and not overwrite:
        raise FolderInUseError(folder)
    lineage: PanelLineage | None = None

    def fill(unfinished: Path) -> None:
        nonlocal lineage
        bonds, truth = _to_arrow(panel.bonds, COLUMNS), _to_arrow(panel.truth, TRUTH_COLUMNS)
        write_parquet(truth, unfinished / "truth.parquet")
        for name in formats:
            begins(f"writing bonds.{name}")
            WRITERS[name](bonds, unfinished / f"bonds.{name}")
        files = {path.name: _record(path, bonds.num_rows) for path in sorted(unfinished.iterdir())}
        lineage = _lineage(panel, files)
        encoded = msgspec.json.format(msgspec.json.encode(lineage, order="sorted"))
        write_file(unfinished / LINEAGE_FILE, encoded + b"\n", durable=False)
        notice = f"{NOTICE}\nHow these files were made: {LINEAGE_FILE}\n"
        write_file(unfinished / NOTICE_FILE, notice.encode(), durable=False)

    write_folder(folder, fill)
    assert lineage is not None
    return lineage


def read_lineage(folder: Path) -> PanelLineage:
    """Read the lineage of a data set.

    Raises:
        NotFoundError: The folder has no lineage.
        DamagedPanelError: It cannot be read.
    """
    path = folder / LINEAGE_FILE
    try:
        return decode_json(read_file(path), PanelLineage)
    except FileNotFoundError:
        raise NotFoundError(f"{folder} is not a data set: it has no {LINEAGE_FILE}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedPanelError(f"{path} cannot be read: {error}.") from error


def read_panel(folder: Path) -> BondPanel:
    """Read a panel, after checking every file used against its hash in the lineage.

    Raises:
        NotFoundError: The folder is not a data set, or has neither Parquet nor CSV.
        DamagedPanelError: A file is missing, or differs from the written file.
    """
    lineage = read_lineage(folder)
    name = next((name for name in ("bonds.parquet", "bonds.csv") if name in lineage.files), None)
    if name is None:
        raise NotFoundError(f"{folder} has the panel neither as Parquet nor as CSV, so it cannot be read.")
    for file in (name, "truth.parquet"):
        _check_hash(folder / file, lineage)
    bonds = pa.parquet.read_table(folder / name) if name.endswith("parquet") else _read_csv(folder / name)
    truth = pa.parquet.read_table(folder / "truth.parquet")
    return BondPanel(
        _to_frame(bonds, COLUMNS), _to_frame(truth, TRUTH_COLUMNS), lineage.settings, dict(lineage.metadata)
    )


def _to_arrow(frame: pd.DataFrame, dictionary: Sequence[BondColumn]) -> pa.Table:
    """Convert a frame to the columns of the dictionary, with a schema that describes the data."""
    arrays = []
    for column in dictionary:
        series = frame[column.name]
        if column.kind == "category":
            codes = series.cat.codes.to_numpy()
            names = pa.array([str(name) for name in series.cat.categories])
            array = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), names).cast(pa.string())
        elif column.kind == "date":
            array = pa.array(series.to_numpy().astype("datetime64[D]"))
        elif column.kind == "float":
            array = pa.array(series.to_numpy(), from_pandas=True)  # NaN becomes null
        else:
            array = pa.array(series)
        arrays.append(array.cast(_ARROW_TYPES[column.kind]))
    fields = [
        pa.field(
            c.name, _ARROW_TYPES[c.kind], metadata={"unit": c.unit, "role": c.role} if c.unit else {"role": c.role}
        )
        for c in dictionary
    ]
    metadata = {"synthetic": "true", "notice": NOTICE, "generator_version": GENERATOR_VERSION}
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata))


def _to_frame(table: pa.Table, dictionary: Sequence[BondColumn]) -> pd.DataFrame:
    """Convert a table back to the generator's frame."""
    columns: dict[str, Any] = {}
    for column in dictionary:
        array = table.column(column.name).combine_chunks()
        if column.kind == "category":
            dtype = pd.CategoricalDtype(list(CATEGORIES[column.name]))
            columns[column.name] = pd.Categorical(array.to_pandas(), dtype=dtype)
        elif column.kind == "date":
            columns[column.name] = array.to_numpy(zero_copy_only=False).astype("datetime64[s]")
        elif column.kind == "string":
            columns[column.name] = np.array(array.to_pylist(), dtype=object)
        else:
            columns[column.name] = array.to_numpy(zero_copy_only=False)
    return pd.DataFrame(columns)


def _read_csv(path: Path) -> pa.Table:
    types = {column.name: _ARROW_TYPES[column.kind] for column in COLUMNS}
    return pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(column_types=types, strings_can_be_null=True))


def _lineage(panel: BondPanel, files: dict[str, FileRecord]) -> PanelLineage:
    return PanelLineage(
        dataset="bonds",
        synthetic=True,
        notice=NOTICE,
        generator_version=GENERATOR_VERSION,
        settings=panel.settings,
        settings_sha256=settings_digest(panel.settings),
        calibration_sha256=panel.metadata["calibration_sha256"],
        library_versions={"numpy": np.__version__, "pandas": pd.__version__, "pyarrow": pa.__version__},
        metadata=panel.metadata,
        files=files,
    )


def _record(path: Path, n_rows: int) -> FileRecord:
    return FileRecord(sha256=sha256_of(path), n_bytes=path.stat().st_size, n_rows=n_rows)


def _check_hash(path: Path, lineage: PanelLineage) -> None:
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        raise DamagedPanelError(f"{path} is missing, though {LINEAGE_FILE} lists it.") from None
    if found != lineage.files[path.name].sha256:
        raise DamagedPanelError(f"{path} does not match {LINEAGE_FILE}: its SHA-256 is {found}.")
