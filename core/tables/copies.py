"""Rows that occur again under another group: rows held out may then be copies of rows that a model learns from.

No table says which of its equal rows are copies, but rows that chance makes equal are the rarest of those that it makes
alike: many more agree in one half of the columns and differ in the other. Rows of which nearly all that agree in a half
agree in every column are copies, or of one kind that the columns name: either way those held out are known beforehand.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import AnyArray
from core.tables.held_rows import groups_of
from core.tables.signature import TableSignature

LEAST_ROWS = 20
"""Different rows from which their likenesses say what chance does."""
MOST_ALIKE = 0.5
"""Pairs of different rows that agree in a half of the columns, by different rows that occur again, up to which chance
does not explain the latter."""

USUAL = 0.05
"""Share of the rows from which a value is usual."""


class CopiedRows(NamedTuple):
    """Rows that equal a row of another group in every column and the target, beyond what chance explains.

    Attributes:
        n_copied: How many rows equal one of another group.
        n_rows: The rows of the table.
        group: The column of the groups; None if every row is its own.
    """

    n_copied: int
    n_rows: int
    group: str | None

    def __str__(self) -> str:
        return (
            f"{self.what}. Copies among the rows held out flatter every figure: leave them out, or group the rows by "
            "what the copies share"
        )

    @property
    def what(self) -> str:
        """What was found, without a dot."""
        of_another = f"a row of another {self.group}" if self.group is not None else "another row"
        return f"{self.n_copied:,} of {self.n_rows:,} rows equal {of_another} in every column and the target"


def copied_rows(frame: pd.DataFrame, signature: TableSignature) -> CopiedRows | None:
    """Return the rows that equal one of another group; None if there are none, or chance may explain them.

    A row that has a usual value in every column, such as one of zeros alone, occurs again by its nature and is none.

    Args:
        frame: The rows, with the target.
        signature: Names the columns, the target and the group, which is not compared.
    """
    named = (name for name in (*signature.names, signature.target) if name != signature.group)
    names = [name for name in dict.fromkeys(named) if name is not None and name in frame]
    if signature.target not in names or not len(frame):
        return None
    values = pd.DataFrame({name: pd.factorize(frame[name], use_na_sentinel=False)[0] for name in names})
    row = pd.util.hash_pandas_object(values, index=False).to_numpy()
    n_groups = pd.Series(groups_of(frame, signature)).groupby(row).nunique()
    counts = values.apply(lambda column: column.map(column.value_counts()))
    usual = (counts >= USUAL * len(frame)).all(axis=1).to_numpy()
    is_copied = np.isin(row, n_groups.index[n_groups > 1]) & ~usual
    different = values[~pd.Series(row).duplicated().to_numpy()]
    n_again = len(np.unique(row[is_copied]))
    if not n_again or len(different) < LEAST_ROWS:
        return None
    by_likeness = sorted(names, key=lambda name: _n_alike(different[[name]]))
    halves = by_likeness[::2], by_likeness[1::2]
    if not all(half and _n_alike(different[half]) <= MOST_ALIKE * n_again for half in halves):
        return None
    return CopiedRows(int(is_copied.sum()), len(frame), signature.group)


def _n_alike(values: pd.DataFrame) -> int:
    """Count the pairs of rows that are equal in some columns."""
    sizes: AnyArray = values.value_counts(sort=False).to_numpy()
    return int((sizes * (sizes - 1) // 2).sum())
