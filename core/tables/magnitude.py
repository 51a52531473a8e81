"""The scale of numbers: squares of values must neither overflow a float nor vanish in it."""

import numpy as np

from core.tables.errors import as_typed
from core.tables.signature import NUMERIC
from core.tables.table import Table

# Learners sum squares and hold targets in single precision, whose largest number is 3.4e38.
MOST_MAGNITUDE = 1e30
LEAST_MAGNITUDE = 1e-30


def require_scale(table: Table, name: str) -> None:
    """Make sure that the numbers of a column can be learned.

    Raises:
        TableError: A number is too large, or all of them are too small.
    """
    if table.kinds[name] not in NUMERIC:
        return
    sizes = np.nan_to_num(np.abs(table.frame[name].to_numpy(dtype=np.float64)))
    row = int(np.argmax(sizes))
    value = float(table.frame[name].iloc[row])
    if sizes[row] > MOST_MAGNITUDE:
        cure = (
            f"Write the column in a larger unit; if the number marks a missing value, declare it: "
            f"--na {as_typed(repr(value))}."
        )
        raise table.error(f"is beyond {MOST_MAGNITUDE:.0e}", cure, column=name, row=row, cell=repr(value))
    if 0 < sizes[row] < LEAST_MAGNITUDE:
        fault = f"its largest number is below {LEAST_MAGNITUDE:.0e}"
        problem = f"its largest number is {value!r}, below {LEAST_MAGNITUDE:.0e}"
        raise table.error(problem, "Write the column in a smaller unit.", column=name, row=row, fault=fault)
