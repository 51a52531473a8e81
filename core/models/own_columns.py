"""A user's own columns: computed row by row from the columns of a table, by name, in training and in serving.

A column is a function of an installed package that takes a table and returns one value for each row:

    [project.entry-points."bondx.columns"]
    carry = "my_package.carry:carry"

A model of two methods reads it by naming it in `features`. The function never gets the label.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.errors import UsageError
from core.models.errors import MissingColumnsError
from core.plugins import COLUMNS, Plugins

if TYPE_CHECKING:
    from core.arrays import AnyArray

ColumnFunction = Callable[[pd.DataFrame], Any]

N_ALONE = 4
_installed = Plugins(COLUMNS, "column")


class OwnColumnError(UsageError):
    """A user's own column cannot be used."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"The column {name!r} {problem}.")


def installed_columns() -> tuple[str, ...]:
    """Name the columns that installed packages offer."""
    return _installed.names()


def select(frame: pd.DataFrame, columns: Sequence[str], *, model: str) -> pd.DataFrame:
    """Return columns of a table, those of installed packages computed.

    Args:
        frame: The table, without a label.
        columns: The names. A column of the table goes before an installed column of the same name.
        model: The model that reads them, for errors.
    Raises:
        MissingColumnsError: Neither the table nor an installed package has a column.
        OwnColumnError: The function of a column failed, or did not return a value for each row.
    """
    missing = [name for name in columns if name not in frame.columns]
    installed = _installed.names() if missing else ()
    if unknown := [name for name in missing if name not in installed]:
        raise MissingColumnsError(model, unknown)
    made = {name: _computed(name, frame) for name in missing}
    return pd.DataFrame({name: made[name] if name in made else frame[name] for name in columns}, index=frame.index)


def require_row_by_row(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Check that own columns give a row the same value alone as in a table, since requests come row by row.

    Raises:
        OwnColumnError: One does not.
    """
    for name in columns:
        if name in frame.columns or not len(frame):
            continue
        together = _computed(name, frame)
        for place in range(min(N_ALONE, len(frame))):
            alone = _computed(name, frame.iloc[[place]])
            if not _same(alone[0], together[place]):
                raise OwnColumnError(
                    name,
                    f"is {alone[0]!r} for a row alone and {together[place]!r} for the same row in a table; compute it "
                    "from the row itself, since predictions are asked for row by row",
                )


def _computed(name: str, frame: pd.DataFrame) -> "AnyArray":
    function: ColumnFunction = _installed.load(name)
    try:
        found = np.asarray(function(frame.copy(deep=True)))
    except Exception as error:  # third-party code: whatever it raises, there is no column
        raise OwnColumnError(name, f"cannot be computed: {type(error).__name__}: {error}") from error
    if found.shape != (len(frame),):
        raise OwnColumnError(name, f"has the shape {found.shape}; it must have one value for each of {len(frame)} rows")
    return found


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(np.isclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True))
    except TypeError:
        return bool(one == other) or (pd.isna(one) and pd.isna(other))
