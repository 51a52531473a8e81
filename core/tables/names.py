"""The accepted column names: any text that is not taken for a formula elsewhere.

Models and requests know columns by position, so quotes, brackets or line breaks in a name do no harm.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from core.escape import shown
from core.tables import limits
from core.tables.errors import TableError

# A spreadsheet runs text that begins with one of these; our reports are opened in spreadsheets.
FORMULA_STARTS = ("=", "+", "-", "@")


def trimmed(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Remove blanks around names.

    Returns:
        The names, and a note if a name had such blanks.
    """
    found = [name.strip() for name in names]
    changed = [shown(name) for name, kept in zip(names, found, strict=True) if name != kept and kept]
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    notes = [f"blanks around column names were removed: {', '.join(changed[:3])}{more}."] if changed else []
    return found, notes


def check_names(path: Path, names: Sequence[str], *, place: str = "") -> None:
    """Check the names of a table's columns.

    Raises:
        TableError: There are too many, or one is repeated, empty, too long, or a formula to a spreadsheet.
    """
    if len(names) > limits.MOST_COLUMNS:
        raise TableError(
            path,
            f"it has {len(names):,} columns",
            f"At most {limits.MOST_COLUMNS:,} can be used: keep the columns that matter.",
            place=place,
        )
    if repeated := [name for name, n_times in Counter(names).items() if n_times > 1]:
        at = ", ".join(str(position) for position, name in enumerate(names, start=1) if name == repeated[0])
        problem = f"there is more than one column of this name (columns {at})"
        raise TableError(path, problem, "Rename them.", column=repeated[0], place=place)
    for position, name in enumerate(names, start=1):
        if problem := _problem(name):
            raise TableError(
                path, f"the name of column {position}, {shown(name)}, {problem}", "Rename it.", place=place
            )


def _problem(name: str) -> str:
    if not name.strip():
        return "is empty"
    if len(name) > limits.MOST_NAME_CHARACTERS:
        return f"is longer than {limits.MOST_NAME_CHARACTERS:,} characters"
    if name.startswith(FORMULA_STARTS):
        return f"begins with {name[0]}, which a spreadsheet would run as a formula"
    return ""
