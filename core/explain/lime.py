"""LIME: a line that imitates any model near one row, refitted over several seeds, since it moves with the seed.

Around a row, columns are replaced at random by those of background rows; the model answers these neighbours, and a
ridge regression on which columns were kept, weighted by nearness, gives each column its share. Nothing makes the shares
sum to the answer, and another seed gives other shares: both are reported, the first by the sum and the second by the
standard deviation over the seeds.

Source:
    Ribeiro, Singh and Guestrin, "Why should I trust you?": explaining the predictions of any classifier, KDD 2016,
    section 3, with its exponential kernel of width 0.75 √d on the columns changed; Alvarez-Melis and Jaakkola,
    On the robustness of interpretability methods (2018), for the spread.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pandas as pd

from core.arrays import BoolArray, FloatArray
from core.explain.sampling import mixed_rows

N_SEEDS: Final = 5
N_SAMPLES: Final = 1_000
WIDTH: Final = 0.75
RIDGE: Final = 1.0


class LimeExplainer:
    """Imitates a prediction function near each row.

    Attributes:
        is_exact: Never: neighbours are drawn.

    Args:
        predict: Answers rows, shape (n,).
        columns: The players.
        background: The rows whose values replace those of the explained row.
        seed: Of the first of the seeds.
    """

    is_exact = False

    def __init__(
        self,
        predict: Callable[[pd.DataFrame], FloatArray],
        columns: Sequence[str],
        background: pd.DataFrame,
        *,
        seed: int,
    ) -> None:
        self._predict, self._columns, self._seed = predict, tuple(columns), seed
        self._background = background.reset_index(drop=True)
        self.base = float(np.asarray(predict(self._background), dtype=np.float64).mean())
        self.algorithm = f"LIME, {N_SEEDS} seeds of {N_SAMPLES:,} neighbours, background"

    def calls(self, n_rows: int) -> int:
        """Return how many rows the prediction function answers to explain that many."""
        return n_rows * N_SEEDS * N_SAMPLES

    def contributions(self, rows: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """Return the mean of each contribution over the seeds, and its standard deviation; shape (n, players)."""
        found = [self._of_row(rows.iloc[[k]].reset_index(drop=True)) for k in range(len(rows))]
        by_row = np.array(found).reshape(len(rows), N_SEEDS, len(self._columns))
        return by_row.mean(axis=1), by_row.std(axis=1, ddof=1)

    def _of_row(self, row: pd.DataFrame) -> list[FloatArray]:
        return [self._line(row, np.random.default_rng((self._seed, number))) for number in range(N_SEEDS)]

    def _line(self, row: pd.DataFrame, rng: np.random.Generator) -> FloatArray:
        """Fit one line to neighbours, and return its slopes; the first neighbour is the row itself."""
        kept = rng.random((N_SAMPLES, len(self._columns))) < 0.5
        kept[0] = True
        # Each changed column has a background row of its own, as if columns were independent.
        others = rng.integers(0, len(self._background), kept.shape)
        answers = np.asarray(
            self._predict(mixed_rows(self._background, row, self._columns, kept, others)), dtype=np.float64
        )
        return line_near(kept, answers)


def line_near(kept: BoolArray, answers: FloatArray) -> FloatArray:
    """Fit answers by which columns were kept, near the row of which all were.

    Args:
        kept: Whether each column was kept, shape (samples, columns).
        answers: Of the neighbours, shape (samples,).
    Returns:
        The slope of each column.

    >>> kept = np.array([[True, True], [True, False], [False, True], [False, False]] * 500)
    >>> [round(slope) for slope in line_near(kept, 3.0 * kept[:, 0] + 1.0).tolist()]
    [3, 0]
    """
    width = WIDTH * np.sqrt(kept.shape[1])
    weight = np.exp(-(~kept).sum(axis=1) / width**2)  # the squared distance is the number of changed columns
    design = kept.astype(np.float64)
    centre = (weight @ design) / weight.sum()
    level = float(weight @ answers) / weight.sum()
    scaled = design - centre
    gram = (scaled * weight[:, None]).T @ scaled + RIDGE * np.eye(kept.shape[1])
    return np.asarray(np.linalg.solve(gram, (scaled * weight[:, None]).T @ (answers - level)))
