"""Tables written piece by piece, as CSV and as Parquet: the same pieces give the same bytes."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from core.tables.data_files import arrow_table

DATE_COLUMNS = ("delivery_start", "delivery_end", "delivery_month", "as_of_date")
MARK = "synthetic"
"""The column that labels each row of a file as synthetic."""


class TableWriter:
    """Writes one table as CSV and as Parquet; its first piece decides the types of the columns."""

    def __init__(self, folder: Path, name: str, metadata: dict[str, str], *, is_quoted: bool = False) -> None:
        """Begin.

        Args:
            folder: An existing folder.
            name: Of the table; the files are `name.csv` and `name.parquet`.
            metadata: What the Parquet schema says of the data.
            is_quoted: Whether texts stand in quotes in the CSV file, as those with commas need.
        """
        self.n_rows = 0
        self._places = {ending: folder / f"{name}.{ending}" for ending in ("csv", "parquet")}
        self._metadata = metadata
        self._style = "needed" if is_quoted else "none"
        self._schema: Any = None
        self._writers: tuple[Any, ...] = ()

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the files."""
        for writer in self._writers:
            writer.close()

    def write(self, frame: pd.DataFrame) -> None:
        """Write the next rows."""
        table = arrow_table(frame.assign(**{MARK: True}), metadata=self._metadata)
        if self._schema is None:
            self._begin(table)
        table = table.cast(self._schema)
        for writer in self._writers:
            writer.write_table(table)
        self.n_rows += len(frame)

    def _begin(self, table: Any) -> None:
        fields = [pa.field(field.name, _type_of(field)) for field in table.schema]
        self._schema = pa.schema(fields, metadata=self._metadata)
        options = pa.csv.WriteOptions(quoting_style=self._style)
        self._writers = (
            pa.csv.CSVWriter(self._places["csv"], self._schema, write_options=options),
            pa.parquet.ParquetWriter(self._places["parquet"], self._schema, compression="zstd"),
        )


def _type_of(field: Any) -> Any:
    if field.name in DATE_COLUMNS:
        return pa.date32()
    if pa.types.is_timestamp(field.type) or pa.types.is_date(field.type):
        return pa.timestamp("s")
    if pa.types.is_null(field.type) or pa.types.is_large_string(field.type):
        return pa.string()
    return field.type
