"""Tables as Parquet, CSV and JSON lines: the same table gives the same bytes."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, cast

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from core.files import sha256_of
from core.sealed_files import SEALED_SUFFIX, FileSealer, new_sealed_file

DataFormat = Literal["parquet", "csv", "jsonl"]
FORMATS: tuple[DataFormat, ...] = ("parquet", "csv", "jsonl")

_PIECE_ROWS = 8192
_SPECIAL = r'[",\r\n]|^$'  # an empty text would be read as a missing value


def write_parquet(table: pa.Table, path: Path | BinaryIO) -> None:
    """Write a table as Parquet."""
    pa.parquet.write_table(table, path, compression="zstd")


def write_csv(table: pa.Table, path: Path | BinaryIO) -> None:
    """Write a table as CSV; an empty cell is a missing value. Texts are quoted only where one of them needs it."""
    quoting = "needed" if _needs_quotes(table) else "none"
    pa.csv.write_csv(table, path, pa.csv.WriteOptions(quoting_style=quoting))


def write_jsonl(table: pa.Table, path: Path | BinaryIO) -> None:
    """Write a table as lines of JSON, a piece of it at a time."""
    encoder = msgspec.json.Encoder()
    names = table.column_names
    with path.open("wb") if isinstance(path, Path) else nullcontext(path) as out:
        for batch in table.to_batches(max_chunksize=_PIECE_ROWS):
            columns = [batch.column(name).to_pylist() for name in names]
            rows = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
            out.write(encoder.encode_lines(rows))


WRITERS: dict[DataFormat, Callable[[pa.Table, Path | BinaryIO], None]] = {
    "parquet": write_parquet,
    "csv": write_csv,
    "jsonl": write_jsonl,
}


class WrittenTable(NamedTuple):
    """What a reader of a table gets, unsealed."""

    name: str  # of the file, without the mark of a sealed one
    sha256: str
    n_bytes: int


def written_table(
    write: Callable[[pa.Table, Path | BinaryIO], None], table: pa.Table, path: Path, sealer: FileSealer | None
) -> WrittenTable:
    """Write a table into a folder that is being written; a sealed file has `.sealed` behind its name.

    Args:
        write: Writes the format.
        table: The table.
        path: The file.
        sealer: What seals it; None: nothing.
    """
    if sealer is None:
        write(table, path)
        return WrittenTable(path.name, sha256_of(path), path.stat().st_size)
    with new_sealed_file(path.with_name(path.name + SEALED_SUFFIX), sealer) as sealed:
        write(table, cast(BinaryIO, sealed))
    return WrittenTable(path.name, sealed.sha256, sealed.tell())


def _needs_quotes(table: pa.Table) -> bool:
    texts = [pa.array(table.column_names)]
    texts += [column for column in table.columns if pa.types.is_string(column.type)]
    return any(pa.compute.any(pa.compute.match_substring_regex(text, _SPECIAL)).as_py() for text in texts)


def arrow_table(frame: pd.DataFrame, *, metadata: dict[str, str]) -> pa.Table:
    """Convert a frame of numbers, booleans, dates, categories and text; NaN becomes a missing value.

    Args:
        frame: The frame; its index is left out.
        metadata: What the schema says of the data.
    """
    arrays = dict(_arrays(frame))
    table = pa.Table.from_arrays(list(arrays.values()), names=list(arrays))
    return table.replace_schema_metadata(metadata)


def _arrays(frame: pd.DataFrame) -> Iterator[tuple[str, pa.Array]]:
    for name, column in frame.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes = column.cat.codes.to_numpy()
            names = pa.array([str(level) for level in column.cat.categories], pa.string())
            array: Any = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), names).cast(pa.string())
        else:
            array = pa.array(column, from_pandas=True)
        if pa.types.is_timestamp(array.type) and _has_no_times(column):
            array = array.cast(pa.date32())
        yield str(name), array


def _has_no_times(column: "pd.Series[Any]") -> bool:
    days = column.dropna().dt.tz_localize(None).to_numpy()
    return bool(np.all(days == days.astype("datetime64[D]")))
