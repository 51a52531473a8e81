"""A list as a CSV file: the rows and columns as shown, with the values that their cells spell."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime

from core.escape import FORMULA_STARTS
from widgets.columns import Column
from widgets.line import clean
from widgets.ordering import MISSING
from widgets.rows import CellValue, Row


def csv_text(columns: Sequence[tuple[int, Column]], rows: Sequence[Row]) -> str:
    """Write rows as RFC 4180 text below the names of their columns.

    Numbers have all their digits, instants are in RFC 3339, a cell without a value is empty. A text that a spreadsheet
    would read as a formula begins with an apostrophe: names come from other people's programs.

    Args:
        columns: The columns, each with its place in the rows.
        rows: The rows, in the order of the file.
    Source:
        OWASP, CSV Injection (https://owasp.org/www-community/attacks/CSV_Injection): what begins a formula.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([column.field or column.key for _, column in columns])
    writer.writerows([_spelled(row.value(index)) for index, _ in columns] for row in rows)
    return file.getvalue()


def _spelled(value: CellValue) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if not isinstance(value, str):
        return str(value)
    text = clean(value).strip()
    if text in MISSING:
        return ""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
