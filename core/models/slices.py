"""Metrics by slice: a model that is good overall may be bad for one sector."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from core.arrays import BoolArray
from core.models.scores import Metrics
from core.tables.signature import ColumnKind, ColumnSignature

MOST_LEVELS = 12
MOST_COLUMNS = 20
LEAST_ROWS = 30


def metrics_by_slice(
    frame: pd.DataFrame, columns: tuple[ColumnSignature, ...], measure: Callable[[BoolArray], Metrics]
) -> dict[str, Metrics]:
    """Measure each level of the categories and flags with few levels.

    Args:
        frame: The predicted rows.
        columns: The model's columns.
        measure: Maps a mask of rows to their metrics.
    Returns:
        Metrics with `n_rows` by slice, such as "sector=utilities"; slices of fewer than 30 rows are left out.
    """
    slices: dict[str, Metrics] = {}
    for column in _sliceable(columns):
        for level, mask in _levels(frame[column.name], column):
            if (n_rows := int(mask.sum())) >= LEAST_ROWS:
                slices[f"{column.name}={level}"] = {"n_rows": float(n_rows), **measure(mask)}
    return slices


def _sliceable(columns: tuple[ColumnSignature, ...]) -> list[ColumnSignature]:
    few = [
        column
        for column in columns
        if column.kind is ColumnKind.FLAG or (column.kind is ColumnKind.CATEGORY and len(column.levels) <= MOST_LEVELS)
    ]
    return few[:MOST_COLUMNS]


def _levels(values: "pd.Series[str]", column: ColumnSignature) -> Iterator[tuple[str, BoolArray]]:
    if column.kind is ColumnKind.FLAG:
        yield from (("true", np.asarray(values == 1)), ("false", np.asarray(values == 0)))
    else:
        yield from ((level, np.asarray(values == level)) for level in column.levels)
    if column.allows_missing:
        yield "(empty)", np.asarray(values.isna())
