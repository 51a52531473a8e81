"""Shapley values of any model that has a prediction function, by sampled orders of its columns.

Each order starts at a background row and takes the columns of the explained row one after another. The same background
rows serve every explained row, so the reference is one figure, and contributions sum to the answer exactly; what
sampling leaves open is how the sum is shared, and its standard error is reported.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pandas as pd

from core.arrays import BoolArray, FloatArray, IntArray
from core.explain.shapley import by_orders, sampled_orders, shapley_of_coalitions

MOST_ROWS_AT_ONCE: Final = 50_000
FEW_PLAYERS: Final = 8  # up to here every coalition is asked about


class SampledExplainer:
    """Asks a prediction function about mixtures of rows.

    Attributes:
        is_exact: Whether every coalition of the columns is asked about.

    Args:
        predict: Answers rows, shape (n,).
        columns: The players.
        background: The reference rows.
        n_pairs: Of orders, for each explained row.
        seed: Of the orders.
        is_exact: Ask about every coalition of the columns with every background row instead.
    """

    def __init__(
        self,
        predict: Callable[[pd.DataFrame], FloatArray],
        columns: Sequence[str],
        background: pd.DataFrame,
        *,
        n_pairs: int,
        seed: int,
        is_exact: bool = False,
    ) -> None:
        self._predict = predict
        self._columns = tuple(columns)
        self.is_exact = is_exact or len(columns) <= FEW_PLAYERS
        self._orders = [] if self.is_exact else sampled_orders(len(columns), n_pairs, seed=seed)
        count = len(background) if self.is_exact else min(n_pairs, len(background))
        chosen = np.random.default_rng(seed).permutation(len(background))[:count]
        self._background = background.iloc[np.sort(chosen)].reset_index(drop=True)
        self._answers = np.asarray(predict(self._background), dtype=np.float64)
        # An order and its reverse start at the same row.
        self._starts = np.repeat(np.resize(np.arange(count), max(n_pairs, 1)), 2)
        self.base = float(self._answers.mean() if self.is_exact else self._answers[self._starts].mean())
        self.algorithm = (
            f"Shapley values of all {2 ** len(columns):,} coalitions, background"
            if self.is_exact
            else f"Shapley values by {n_pairs} pairs of sampled orders, background"
        )

    def calls(self, n_rows: int) -> int:
        """Return how many rows the prediction function answers to explain that many."""
        n_players = len(self._columns)
        if self.is_exact:
            return n_rows * (1 + max(int(2**n_players) - 2, 0) * len(self._background))
        return n_rows * (1 + len(self._orders) * max(n_players - 1, 0))

    def contributions(self, rows: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """Return contributions and their standard errors, both of shape (n, players)."""
        n_players = len(self._columns)
        # In one batch, as the answers to the rows are: a network may round otherwise in another batch.
        worths = self._predict(self._all_known(rows))
        found = [self._of_row(rows.iloc[[k]], float(worth)) for k, worth in enumerate(worths)]
        values, errors = ([each[part] for each in found] for part in (0, 1))
        return np.array(values).reshape(-1, n_players), np.array(errors).reshape(-1, n_players)

    def _all_known(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return a background row for each row, with the row's values in all columns of the players."""
        both = pd.concat([self._background, rows], ignore_index=True)  # one dtype for the two
        frame = self._background.iloc[np.zeros(len(rows), dtype=np.int64)].reset_index(drop=True)
        return frame.assign(**{name: both[name].iloc[len(self._background) :].array for name in self._columns})

    def _of_row(self, row: pd.DataFrame, whole: float) -> tuple[FloatArray, FloatArray]:
        """Explain one row, of which all columns together are worth `whole`."""
        n_players = len(self._columns)
        if self.is_exact:
            every = (np.arange(2**n_players)[:, None] >> np.arange(n_players) & 1).astype(np.bool_)
            starts = np.arange(len(self._background))
            worths = self._worth(row, whole, every.repeat(len(starts), axis=0), np.tile(starts, len(every)))
            by_coalition = list(worths.reshape(len(every), len(starts)).mean(axis=1))
            return np.array(shapley_of_coalitions(by_coalition)), np.zeros(n_players)
        starts = self._starts[: len(self._orders)].repeat(n_players + 1)
        return by_orders(lambda known: self._worth(row, whole, known, starts), self._orders, n_players)

    def _worth(self, row: pd.DataFrame, whole: float, known: BoolArray, starts: IntArray) -> FloatArray:
        """Return the worth of coalitions; of all columns and of none it is known, so only mixtures are asked about."""
        out = np.where(known.all(axis=1), whole, self._answers[starts])
        mixed = np.flatnonzero(known.any(axis=1) & ~known.all(axis=1))
        for begin in range(0, len(mixed), MOST_ROWS_AT_ONCE):
            part = mixed[begin : begin + MOST_ROWS_AT_ONCE]
            out[part] = self._predict(mixed_rows(self._background, row, self._columns, known[part], starts[part]))
        return out


def mixed_rows(
    background: pd.DataFrame, row: pd.DataFrame, columns: Sequence[str], known: BoolArray, others: IntArray
) -> pd.DataFrame:
    """Return background rows in which the known columns are the row's.

    Args:
        background: The rows.
        row: The row, as a frame of one.
        columns: The columns that are mixed.
        known: Whether each is the row's, shape (n, columns).
        others: The background row of each, shape (n,) for whole rows or (n, columns).
    """
    both = pd.concat([background, row], ignore_index=True)  # one dtype for the two
    own, of_column = len(both) - 1, others if others.ndim == 2 else others[:, None].repeat(len(columns), axis=1)
    frame = background.iloc[of_column[:, 0]].reset_index(drop=True)
    mixed = {name: both[name].iloc[np.where(known[:, k], own, of_column[:, k])].array for k, name in enumerate(columns)}
    return frame.assign(**mixed)
