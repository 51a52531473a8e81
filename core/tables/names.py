"""The accepted column names: names that can be shown, stored and opened elsewhere without harm."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from core.tables import limits
from core.tables.errors import TableError, shown

# A spreadsheet runs text that begins with one of these; our reports are opened in spreadsheets.
FORMULA_STARTS = ("=", "+", "-", "@")


def check_names(path: Path, names: Sequence[str], *, place: str = "") -> None:
    """Check the names of a table's columns.

    Raises:
        TableError: There are too many, or one is repeated, empty, too long, a formula to a spreadsheet,
            or contains control characters.
    """
    if len(names) > limits.MOST_COLUMNS:
        raise TableError(
            path,
            f"it has {len(names):,} columns",
            f"At most {limits.MOST_COLUMNS:,} can be used: keep the columns that matter.",
            place=place,
        )
    if repeated := [name for name, n_times in Counter(names).items() if n_times > 1]:
        raise TableError(path, "there is more than one column of this name", "Rename them.", column=repeated[0])
    for position, name in enumerate(names, start=1):
        if problem := _problem(name):
            raise TableError(
                path, f"the name of column {position}, {shown(name)}, {problem}", "Rename it.", place=place
            )


def _problem(name: str) -> str:
    if not name.strip():
        return "is empty"
    if name != name.strip():
        return "starts or ends with blanks"
    if len(name) > limits.MOST_NAME_CHARACTERS:
        return f"is longer than {limits.MOST_NAME_CHARACTERS} characters"
    if not name.isprintable():
        return "contains control characters"
    if name.startswith(FORMULA_STARTS):
        return f"begins with {name[0]}, which a spreadsheet would run as a formula"
    return ""
