"""The smallest change of what may be changed that turns the answer.

Values are tried on a grid: of a number the quantiles of the reference rows, of a category its levels. All changes of
one column, then of two, then of three among the columns that move the answer most are asked about; the first size with
a change that turns the answer ends the search, and among its changes the one over the fewest reference rows wins. So
the answer is minimal on the grid.

Source:
    Wachter, Mittelstadt and Russell, Counterfactual explanations without opening the black box, Harvard Journal of Law
    and Technology 31 (2018): the distance in units of the data; few changed columns as in Mothilal, Sharma and Tan,
    DiCE, FAT* 2020.
"""

from collections.abc import Callable, Sequence
from itertools import combinations, product
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from core.arrays import BoolArray, FloatArray
from core.explain.columns import Ranks, exact_cell, is_time, texts_of
from core.explain.documents import CellChange, Counterfactual

N_VALUES: Final = (25, 9, 5)  # of one column, by how many are changed together
N_COLUMNS: Final = (100, 8, 5)
MOST_LEVELS: Final = 25  # so at most 10 x 25³ changes of three columns are asked about


class _Column(NamedTuple):
    name: str
    values: list[Any]
    distances: FloatArray


def smallest_change(
    row: pd.DataFrame,
    reference: pd.DataFrame,
    names: Sequence[str],
    predict: Callable[[pd.DataFrame], FloatArray],
    turns: Callable[[FloatArray], BoolArray],
) -> Counterfactual | None:
    """Search the smallest change of a row.

    Args:
        row: The row, as a table of one row.
        reference: Rows that give the grid and the distances.
        names: The columns that may change, those that move the answer most first.
        predict: Answers rows.
        turns: Says which answers are on the other side.
    Returns:
        None if no change of up to three columns turns the answer.
    """
    names = [name for name in names if not is_time(row[name])]  # a time is what it is
    ranks = Ranks(reference, names)
    n_asked = 0
    for size, (n_values, n_columns) in enumerate(zip(N_VALUES, N_COLUMNS, strict=True), start=1):
        columns = [_grid(name, row, reference, ranks, n_values) for name in names[:n_columns]]
        best: tuple[float, tuple[tuple[str, Any], ...], float] | None = None
        for chosen in combinations([column for column in columns if column.values], size):
            picks = list(product(*(range(len(column.values)) for column in chosen)))
            n_asked += len(picks)
            distances = np.array([sum(c.distances[k] for c, k in zip(chosen, pick, strict=True)) for pick in picks])
            answers = predict(_changed(row, chosen, picks))
            turned = np.flatnonzero(turns(answers))
            if len(turned):
                nearest = int(turned[np.argmin(distances[turned])])
                if best is None or distances[nearest] < best[0]:
                    cells = tuple((c.name, c.values[k]) for c, k in zip(chosen, picks[nearest], strict=True))
                    best = float(distances[nearest]), cells, float(answers[nearest])
        if best is not None:
            changes = tuple(
                CellChange(
                    feature=name, before=exact_cell(own := row[name].iloc[0]), after=exact_cell(_like(own, value))
                )
                for name, value in best[1]
            )
            return Counterfactual(changes=changes, prediction=best[2], distance=best[0], n_asked=n_asked)
    return None


def _like(own: Any, value: Any) -> Any:
    """Return a value of the grid as the kind of cell that it replaces."""
    return bool(value) if isinstance(own, bool | np.bool_) else value


def _grid(name: str, row: pd.DataFrame, reference: pd.DataFrame, ranks: Ranks, n_values: int) -> _Column:
    own = row[name]
    values: list[Any]
    if ranks.is_number(name):
        values = list(ranks.grid(name, n_values))
    else:
        values = texts_of(reference[name]).dropna().value_counts().index[:MOST_LEVELS].tolist()
    candidates = pd.Series(values, dtype=np.float64 if ranks.is_number(name) else object)
    distances = ranks.distance(name, candidates, own) if values else np.empty(0)
    moved = [k for k, distance in enumerate(distances.tolist()) if distance > 0]
    return _Column(name, [values[k] for k in moved], distances[moved])


def _changed(row: pd.DataFrame, columns: Sequence[_Column], picks: Sequence[tuple[int, ...]]) -> pd.DataFrame:
    frame = row.iloc[np.zeros(len(picks), dtype=np.int64)].reset_index(drop=True)
    for place, column in enumerate(columns):
        values = [column.values[pick[place]] for pick in picks]
        dtype = row[column.name].dtype
        if isinstance(dtype, pd.CategoricalDtype):
            known = list(dict.fromkeys([*map(str, dtype.categories), *map(str, column.values)]))
            frame[column.name] = pd.Categorical(values, categories=known)
        elif isinstance(dtype, np.dtype) and dtype.kind in "biu":
            frame[column.name] = np.asarray(values, dtype=np.float64).astype(dtype)
        else:
            frame[column.name] = pd.Series(values, dtype=dtype)
    return frame
