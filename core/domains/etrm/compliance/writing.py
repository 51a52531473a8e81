"""The compliance table as a file: CSV or Parquet, written a piece at a time."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from core.domains.etrm.compliance.check import ComplianceCheck
from core.domains.etrm.compliance.table import table_pieces
from core.errors import UsageError
from core.files import access_error, write_new
from core.output_files import require_new_output
from core.progress import begins
from core.tables.data_files import arrow_table

_FORMULA = r"^[=+\-@＝＋－＠]"


def require_new_table(path: Path) -> None:
    """Make sure, before the check, that the table can be written there.

    Raises:
        UsageError: Its name is that of no table, or there is such a file already, or it is a link.
        RefusedError: It is in a workspace.
    """
    if path.suffix.lower() not in _WRITERS:
        raise UsageError(f"--out {path}: its name does not show its format; end it with {' or '.join(_WRITERS)}.")
    require_new_output(path)


def write_compliance_table(check: ComplianceCheck, path: Path) -> int:
    """Write the table of trades and regimes into a new file.

    In CSV, an id that a spreadsheet would run as a formula begins with an apostrophe.

    Returns:
        The number of rows.
    Raises:
        UsageError: The name is that of no table, or there is such a file already.
        FileAccessError: It cannot be written.
    Source:
        OWASP, CSV Injection (https://owasp.org/www-community/attacks/CSV_Injection): what begins a formula.
    """
    require_new_table(path)
    begins(f"writing {path.name}")
    n_rows = 0
    try:
        with tempfile.TemporaryFile() as file:
            writer = None
            for piece in table_pieces(check):
                table = _arrow(piece, is_text=path.suffix.lower() == ".csv")
                writer = writer or _WRITERS[path.suffix.lower()](file, table.schema)
                writer.write_table(table)
                n_rows += table.num_rows
            if writer is not None:
                writer.close()
            file.seek(0)
            write_new(path, file)
    except OSError as error:
        raise access_error(path, "write", error) from error
    return n_rows


def _arrow(piece: pd.DataFrame, *, is_text: bool) -> pa.Table:
    table = arrow_table(piece, metadata={})
    due = table.schema.get_field_index("due_ts")
    times = table.column("due_ts").cast(pa.timestamp("s"))
    # An instant in UTC as RFC 3339 writes it; an empty cell where nothing is due.
    texts = pc.strftime(times, format="%Y-%m-%dT%H:%M:%SZ") if is_text else times
    table = table.set_column(due, "due_ts", texts)
    if is_text:
        ids, at = table.column("trade_id").cast(pa.string()), table.schema.get_field_index("trade_id")
        marked = pc.binary_join_element_wise("'", ids, "")
        table = table.set_column(at, "trade_id", pc.if_else(pc.match_substring_regex(ids, _FORMULA), marked, ids))
    return table


_WRITERS: dict[str, Callable[[Any, pa.Schema], Any]] = {
    ".csv": pyarrow.csv.CSVWriter,
    ".parquet": lambda file, schema: pyarrow.parquet.ParquetWriter(file, schema, compression="zstd"),
}
