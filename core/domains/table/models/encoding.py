"""A table as the matrix of the learners: numbers unchanged, categories as positions among their levels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import FloatArray
from core.models.errors import MissingColumnsError
from core.tables.signature import ColumnKind, ColumnSignature


class Encoding:
    """The columns of a signature in the order of the matrix.

    Args:
        columns: The model's columns.
    """

    def __init__(self, columns: Sequence[ColumnSignature]) -> None:
        self.columns = tuple(columns)
        self.n_levels = tuple(len(column.levels) if column.kind is ColumnKind.CATEGORY else 0 for column in columns)
        self._positions = [
            {level: float(position) for position, level in enumerate(column.levels)} for column in columns
        ]

    @property
    def tree_columns(self) -> tuple[str, ...]:
        """Names of the matrix's columns for LightGBM, whose text format does not allow every name."""
        return tuple(f"column_{position}" for position in range(len(self.columns)))

    @property
    def category_positions(self) -> list[int]:
        """Which columns of the matrix are categories."""
        return [position for position, n_levels in enumerate(self.n_levels) if n_levels]

    def matrix(self, frame: pd.DataFrame) -> FloatArray:
        """Build the matrix.

        Returns:
            Shape (n, columns), float64; NaN for a missing cell and for an unseen level.
        Raises:
            MissingColumnsError: The frame lacks columns; all of them are named.
        """
        if missing := [column.name for column in self.columns if column.name not in frame.columns]:
            raise MissingColumnsError("the model", missing)
        out = np.empty((len(frame), len(self.columns)), dtype=np.float64)
        for position, column in enumerate(self.columns):
            values = frame[column.name]
            if column.kind is ColumnKind.CATEGORY:
                out[:, position] = self._codes(values, position)
            else:
                out[:, position] = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return out

    def _codes(self, values: "pd.Series[Any]", position: int) -> FloatArray:
        if not isinstance(values.dtype, pd.CategoricalDtype):
            values = values.astype("category")
        known = self._positions[position]
        lookup = np.array([known.get(str(level), np.nan) for level in values.cat.categories] + [np.nan])
        return np.asarray(lookup[values.cat.codes.to_numpy()], dtype=np.float64)
