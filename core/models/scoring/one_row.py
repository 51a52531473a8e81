"""One row through compiled features without allocation: every step writes into preallocated buffers.

The operations and their order are those of `CompiledSpace` for many rows; this saves numpy's overhead of
making arrays, most of the time for one row. One instance belongs to one thread.
"""

from typing import Any

import numpy as np

from core.arrays import Float32Array, FloatArray
from core.models.learners.feature_space import CLIP
from core.models.scoring.features import CompiledSpace


class OneRow:
    """The buffers of one compiled space, with views of them for each step."""

    def __init__(self, space: CompiledSpace) -> None:
        self._space = space
        n_numbers, n_logs, n_log1ps = len(space.numbers), len(space.log_from), len(space.log1p_from)
        self._values: FloatArray = np.zeros(space.n_values + 1)  # the last one stays zero
        self._numbers = self._values[:n_numbers]
        self._log_in = np.empty(n_logs)
        self._logs = self._values[n_numbers : n_numbers + n_logs]
        self._log1p_in = np.empty(n_log1ps)
        self._log1ps = self._values[n_numbers + n_logs : n_numbers + n_logs + n_log1ps]
        first_limit = n_numbers + n_logs + n_log1ps
        self._first_flag = first_limit + len(space.limit_from)
        self._limit_in = np.empty(len(space.limit_from))
        self._limits = self._values[first_limit : self._first_flag]
        n_curves, n_bends, n_nullable = len(space.curve_from), len(space.bend_of), len(space.nullable)
        self._base: FloatArray = np.zeros(space.n_base)
        self._base[0] = 1.0
        self._scaled = self._base[1 : 1 + n_curves]
        self._bends = self._base[1 + n_curves : 1 + n_curves + n_bends]
        self._absences = self._base[1 + n_curves + n_bends : 1 + n_curves + n_bends + n_nullable]
        self._levels = self._base[1 + n_curves + n_bends + n_nullable :]
        self._absent = np.empty(n_curves, dtype=np.bool_)
        # Every curve takes part in one subtraction; curves that remove nothing subtract zero times zero.
        self._slope = np.zeros(n_curves)
        self._slope[space.within] = space.slope
        self._within_from = np.full(n_curves, space.n_values, dtype=np.intp)
        self._within_from[space.within] = space.within_from
        self._removed = np.empty(n_curves)
        self._right = np.empty(space.n_linear)
        self._product = np.empty(space.n_linear)
        self._rounded: Float32Array = np.empty(space.n_linear, dtype=np.float32)

    def read(self, numbers: FloatArray, texts: Any) -> None:
        """Read a row: its numbers, shape (n_numbers,), and its categories."""
        space = self._space
        self._numbers[:] = numbers
        if len(self._logs):
            self._numbers.take(space.log_from, out=self._log_in, mode="clip")
            np.maximum(self._log_in, space.log_floor, out=self._log_in)
            np.log(self._log_in, out=self._logs)
        if len(self._log1ps):
            self._numbers.take(space.log1p_from, out=self._log1p_in, mode="clip")
            np.maximum(self._log1p_in, 0.0, out=self._log1p_in)
            np.log1p(self._log1p_in, out=self._log1ps)
        if len(self._limits):
            self._numbers.take(space.limit_from, out=self._limit_in, mode="clip")
            np.greater_equal(self._limit_in, space.limit, out=self._limits)
        for position, flag in enumerate(space.flags, start=self._first_flag):
            self._values[position] = flag(texts)

    def linear(self, texts: Any) -> FloatArray:
        """Return the linear columns of the current row, rounded as `FeatureSpace` rounds them."""
        space, scaled, values = self._space, self._scaled, self._values
        values.take(space.curve_from, out=scaled, mode="clip")
        if len(space.within):
            values.take(self._within_from, out=self._removed, mode="clip")
            np.multiply(self._removed, self._slope, out=self._removed)
            np.subtract(scaled, self._removed, out=scaled)
        np.subtract(scaled, space.centre, out=scaled)
        np.divide(scaled, space.scale, out=scaled)
        np.maximum(scaled, -CLIP, out=scaled)
        np.minimum(scaled, CLIP, out=scaled)
        np.not_equal(scaled, scaled, out=self._absent)
        np.copyto(scaled, 0.0, where=self._absent)
        if len(self._bends):
            scaled.take(space.bend_of, out=self._bends, mode="clip")
            np.subtract(self._bends, space.knot, out=self._bends)
            np.maximum(self._bends, 0.0, out=self._bends)
        if len(self._absences):
            self._absences[:] = self._absent.take(space.nullable)
        self._levels.fill(0.0)
        base = self._base
        for position, codes in space.one_hot:
            if (code := codes.get(texts[position])) is not None:
                base[code] = 1.0
        base.take(space.left, out=self._product, mode="clip")
        base.take(space.right, out=self._right, mode="clip")
        np.multiply(self._product, self._right, out=self._product)
        self._rounded[:] = self._product
        self._product[:] = self._rounded
        return self._product

    def trees(self, texts: Any, row: Float32Array) -> None:
        """Write the tree columns of the current row."""
        space = self._space
        column = len(space.tree_from)
        row[:column] = self._values.take(space.tree_from)
        for position, codes in space.tree_codes:
            row[column] = codes.get(texts[position], -1.0)
            column += 1
