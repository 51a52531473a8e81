"""Rows that occur again under another group: rows held out may then be copies of rows that a model learns from.

Few values are equal by chance, and no table says which of its equal rows are copies. Where two columns or more have, in
nearly every different row, a value that no other different row has, chance hardly makes two rows equal in both.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from core.tables.held_rows import groups_of
from core.tables.signature import TableSignature

LEAST_ROWS = 20
"""Different rows from which the values of a column say how likely equal ones are."""
OWN_VALUES = 0.9
"""Share of the different rows with a value of their own from which a column nearly names its row."""
NAMING_COLUMNS = 2


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
        of_another = f"a row of another {self.group}" if self.group is not None else "another row"
        return (
            f"{self.n_copied:,} of {self.n_rows:,} rows equal {of_another} in every column and the target. Copies "
            "among the rows held out flatter every figure: leave them out, or group the rows by what the copies share"
        )


def copied_rows(frame: pd.DataFrame, signature: TableSignature) -> CopiedRows | None:
    """Return the rows that equal one of another group; None if there are none, or chance may explain them.

    Args:
        frame: The rows, with the target.
        signature: Names the columns, the target and the group.
    """
    names = [name for name in (*signature.names, signature.target) if name is not None and name in frame]
    if signature.target not in names or not len(frame):
        return None
    values = pd.DataFrame({name: pd.factorize(frame[name], use_na_sentinel=False)[0] for name in names})
    row = pd.util.hash_pandas_object(values, index=False)
    n_groups = pd.Series(groups_of(frame, signature)).groupby(row.to_numpy()).nunique()
    is_copied = row.isin(n_groups.index[n_groups > 1]).to_numpy()
    different = values[~row.duplicated().to_numpy()]
    if not is_copied.any() or len(different) < LEAST_ROWS:
        return None
    own = np.array([(~different[name].duplicated(keep=False)).mean() for name in names])
    if int((own >= OWN_VALUES).sum()) < NAMING_COLUMNS:
        return None
    return CopiedRows(int(is_copied.sum()), len(frame), signature.group)
