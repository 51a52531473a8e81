"""The forms in which a linear model may read a number, and the design matrix that follows.

No form suits every table. Plain numbers add up exactly, but one absurd cell may dominate; the inverse hyperbolic sine
and the normal scores tame heavy tails; hinges bend a line at quantiles. Rows held out choose.
"""

from collections.abc import Mapping
from functools import cache
from typing import Literal, Self, get_args

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray

Form = Literal["plain", "asinh", "scores", "hinges"]
FORMS: tuple[Form, ...] = get_args(Form)

MOST_LEVELS = 50  # of one category; rarer levels share the base
N_SCORES = 65  # knots of the normal scores
HINGES = (0.1, 0.3, 0.5, 0.7, 0.9)  # quantiles at which a line may bend
BEYOND = 10.0  # plain numbers are clipped this many ranges beyond the range of training


class NumberDesign:
    """What was learned about the columns: it turns rows into the design matrix.

    Attributes:
        form: How numbers are read.
        centre: Median of each number.
        scale: Half the distance between its 16 % and 84 % quantiles.
        limits: Where each scaled number is clipped, shape (numbers, 2).
        knots: Quantiles of each scaled number, shape (numbers, knots).
        gaps: Which numbers have a column that marks empty cells.
        shown: Column and code of each level that has a column, shape (levels, 2).
    """

    ARRAYS = ("centre", "scale", "limits", "knots", "gaps", "shown")

    def __init__(self, n_levels: tuple[int, ...], form: Form) -> None:
        if form not in FORMS:
            raise ValueError(f"{form!r} is not a form of numbers")
        self.form: Form = form
        self._n_levels = n_levels
        self._numbers = [position for position, count in enumerate(n_levels) if not count]
        n_numbers = len(self._numbers)
        self.centre, self.scale = np.zeros(n_numbers), np.ones(n_numbers)
        self.limits, self.knots = np.zeros((n_numbers, 2)), np.zeros((n_numbers, 0))
        self.gaps: BoolArray = np.zeros(n_numbers, dtype=np.bool_)
        self.shown: AnyArray = np.zeros((0, 2), dtype=np.int64)
        self._scores: list[tuple[FloatArray, FloatArray]] = []

    def learn(self, matrix: AnyArray) -> Self:
        """Learn centres, scales, limits, knots and levels from rows."""
        quantiles = {"scores": np.linspace(0.0, 1.0, N_SCORES), "hinges": np.array(HINGES)}.get(self.form, np.empty(0))
        self.knots = np.zeros((len(self._numbers), len(quantiles)))
        for k, position in enumerate(self._numbers):
            column = matrix[:, position]
            present = column[~np.isnan(column)]
            self.gaps[k] = len(present) < len(column)
            if not present.size:
                continue
            low, middle, high = np.quantile(present, (0.1587, 0.5, 0.8413))
            self.centre[k] = middle
            self.scale[k] = (high - low) / 2 or float(np.std(present)) or 1.0
            scaled = (present - self.centre[k]) / self.scale[k]
            least, most = float(scaled.min()), float(scaled.max())
            self.limits[k] = least - BEYOND * (most - least), most + BEYOND * (most - least)
            self.knots[k] = np.quantile(scaled, quantiles)
        shown = []
        for position, count in enumerate(self._n_levels):
            if count:
                column = matrix[:, position]
                found = np.bincount(column[~np.isnan(column)].astype(np.int64), minlength=count)
                order = np.argsort(-found, kind="stable")[:MOST_LEVELS]
                shown += [(position, int(level)) for level in sorted(order[found[order] > 0])]
        self.shown = np.array(shown, dtype=np.int64).reshape(-1, 2)
        self._prepare()
        return self

    @classmethod
    def restored(cls, n_levels: tuple[int, ...], form: Form, arrays: Mapping[str, AnyArray]) -> Self:
        """Restore a saved design.

        Raises:
            ValueError: The arrays do not fit each other or the columns.
        """
        design = cls(n_levels, form)
        n_numbers, n_knots = len(design._numbers), {"scores": N_SCORES, "hinges": len(HINGES)}.get(form, 0)
        shapes = ((n_numbers,), (n_numbers,), (n_numbers, 2), (n_numbers, n_knots), (n_numbers,))
        for name, shape in zip(cls.ARRAYS, shapes, strict=False):
            if arrays[name].shape != shape:
                raise ValueError(f"{name} of the linear model has the shape {arrays[name].shape} instead of {shape}")
            setattr(design, name, arrays[name])
        design.shown = arrays["shown"].reshape(-1, 2)
        if design.shown.size and not 0 <= design.shown[:, 0].min() <= design.shown[:, 0].max() < len(n_levels):
            raise ValueError("the linear model reads a column that does not exist")
        design._prepare()
        return design

    @property
    def numbers(self) -> list[int]:
        """The columns of the matrix that are numbers."""
        return self._numbers

    @property
    def curves(self) -> list[tuple[FloatArray, FloatArray]]:
        """Of the form `scores`: for each number the places between which it is interpolated, and the values there."""
        return self._scores

    @property
    def sources(self) -> list[int]:
        """The column of the matrix behind each column of the design."""
        of_numbers = self._numbers * (1 + (len(HINGES) if self.form == "hinges" else 0))
        gaps = [position for position, has_gaps in zip(self._numbers, self.gaps, strict=True) if has_gaps]
        return [*of_numbers, *gaps, *(int(position) for position in self.shown[:, 0])]

    def matrix(self, rows: AnyArray) -> FloatArray:
        """Build the design matrix of rows, shape (n, columns)."""
        numbers = rows[:, self._numbers]
        is_empty = np.isnan(numbers)
        scaled = np.clip((numbers - self.centre) / self.scale, self.limits[:, 0], self.limits[:, 1])
        read = [self._read(scaled)]
        if self.form == "hinges":
            read += [np.maximum(scaled - knot, 0.0) for knot in self.knots.T]
        for block in read:
            block[is_empty] = 0.0
        levels = rows[:, self.shown[:, 0]] == self.shown[:, 1]
        return np.concatenate((*read, is_empty[:, self.gaps], levels), axis=1, dtype=np.float64)

    def _prepare(self) -> None:
        """Pair the knots of each number with normal scores; equal quantiles share the mean of their scores."""
        self._scores = []
        for knots in self.knots if self.form == "scores" else ():
            values, code, counts = np.unique(knots, return_inverse=True, return_counts=True)
            self._scores.append((values, np.bincount(code, weights=_normal_scores()) / counts))

    def _read(self, scaled: FloatArray) -> FloatArray:
        if self.form == "asinh":
            return np.asarray(np.arcsinh(scaled))
        if self.form != "scores":
            return scaled
        out = np.empty_like(scaled)
        for k, (values, scores) in enumerate(self._scores):
            out[:, k] = np.interp(scaled[:, k], values, scores)
        return out


@cache
def _normal_scores() -> FloatArray:
    from scipy.special import ndtri

    return np.asarray(ndtri((np.arange(N_SCORES) + 0.5) / N_SCORES))
