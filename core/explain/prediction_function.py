"""Any function that answers rows, such as a network of PyTorch or TensorFlow, as explainers see a model."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, FloatArray
from core.errors import UsageError
from core.escape import shown

TASK: Final = "regression"  # a function decides nothing, and its scale is that of its answers
MOST_CHECKED: Final = 64
REPEATABLE: Final = 1e-4
"""By how much the answers to a row may differ, relative to the size of the answers: networks round in single precision,
and otherwise in another batch."""


class PredictionFunction:
    """A function of rows.

    Attributes:
        name: Its name.
        task: What is known of its answers: numbers.
    """

    def __init__(self, predict: Callable[[Any], object], *, like: AnyArray | None, output: int | None = None) -> None:
        """Take a function.

        Args:
            predict: Answers rows: one number each, or several.
            like: It reads arrays of this type instead of data frames.
            output: Of several numbers the position of the one that is explained.
        """
        self._predict, self._dtype, self._output = predict, None if like is None else like.dtype, output
        self.name = getattr(predict, "__name__", type(predict).__name__)
        self.task = TASK

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        """Answer rows.

        Raises:
            UsageError: The function fails, or does not return a number for each row.
        """
        # A copy of its own: what the function does to its rows must not reach ours.
        rows = frame.copy(deep=True) if self._dtype is None else frame.to_numpy(dtype=self._dtype, copy=True)
        try:
            found = np.asarray(self._predict(rows), dtype=np.float64)
        except Exception as error:  # the caller's code may raise anything
            raise UsageError(
                f"{self._named} failed on {len(frame):,} rows: {type(error).__name__}: {error}. It must take "
                f"{'a data frame' if self._dtype is None else 'an array'} of any number of rows and return numbers as "
                "an array or a list; in PyTorch: net(...).detach().numpy()."
            ) from error
        if found.ndim == 2 and len(found) == len(frame) and found.shape[1] >= 1:
            found = found[:, self._place(found.shape[1])]
        if found.shape != (len(frame),):
            raise UsageError(f"{self._named} returned the shape {found.shape} for {len(frame):,} rows.")
        if n_bad := int((~np.isfinite(found)).sum()):
            raise UsageError(f"{self._named} returned no number for {n_bad:,} of {len(frame):,} rows.")
        return found

    def check(self, rows: pd.DataFrame) -> None:
        """Ask about some rows three times.

        Raises:
            UsageError: A row is answered differently the second time, or beside other rows.
        """
        some = rows.head(MOST_CHECKED)
        first, half = self.predict(some), max(len(some) // 2, 1)
        tolerance = REPEATABLE * max(float(np.abs(first).max(initial=0.0)), 1e-12)
        again, alone = self.predict(some), self.predict(some.head(half))
        for other, how in ((again, "the second time"), (alone, "beside other rows")):
            if (off := float(np.abs(first[: len(other)] - other).max(initial=0.0))) > tolerance:
                raise UsageError(
                    f"{self._named} answers the same row differently {how}, by up to {off:.3g}: switch off layers that "
                    "are random or look at the whole batch, such as dropout or batch normalisation in training; in "
                    "PyTorch: net.eval()."
                )

    def anatomy(self) -> None:
        """Return nothing: there is only a function to ask."""

    def as_strangers(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return rows as they are: each is answered by itself."""
        return frame

    def decide(self, answer: AnyArray) -> BoolArray | None:
        """Return nothing: a function decides nothing."""
        return None

    @property
    def _named(self) -> str:
        return f"The function {shown(self.name)}"

    def _place(self, n_outputs: int) -> int:
        if n_outputs == 1 and self._output is None:
            return 0
        if self._output is None:
            raise UsageError(
                f"{self._named} returns {n_outputs} numbers a row: choose the explained number, output=0 to "
                f"output={n_outputs - 1}."
            )
        if not 0 <= self._output < n_outputs:
            raise UsageError(
                f"output is {self._output}: it must be from 0 to {n_outputs - 1}. {self._named} returns {n_outputs} "
                "numbers a row."
            )
        return self._output
