"""A feature space compiled into index arrays: rows of plain numbers become matrices in a dozen numpy calls.

`FeatureSpace` walks its terms one by one and reads a pandas table; at one row that is half a millisecond of
overhead. Here the walk is done once, when the model is loaded, and yields arrays of positions: which number each
curve reads, which columns each product multiplies. One row and a thousand rows use the same code, and every number is
computed by the same operations in the same order, so the matrices are equal to the bit.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from core.arrays import BoolArray, Float32Array, FloatArray, IntArray
from core.models.learners.derived import Among, AtLeast, Derivation, Log, LogOfOneMore
from core.models.learners.feature_space import CLIP, Curve, FeatureSpace, Levels, Product
from core.models.learners.samples import Matrices
from core.models.scoring.scorer import UnsupportedSpaceError

D = TypeVar("D", bound=Derivation)

_COMPILED = (Log, LogOfOneMore, AtLeast, Among)


class CompiledSpace:
    """A feature space, ready for rows of numbers and category texts.

    Rows become *values* (numbers, logarithms, limits reached, flags), values become *base* columns (a one, curves,
    bends, absences, levels), and each linear column is the product of two base columns.

    Attributes:
        numbers: The table's numeric columns, in the order in which rows give them.
        categories: The table's category columns, in the order in which rows give them.
        levels: The known levels of each category.
        flags: Computes each flag from a row's categories.
    """

    def __init__(self, space: FeatureSpace, *, extra_numbers: Sequence[str] = ()) -> None:
        """Compile a space.

        Args:
            space: The space to compile.
            extra_numbers: Further numeric columns that rows must have.
        Raises:
            UnsupportedSpaceError: It reads a derived column without a compiled form.
        """
        design, statistics = space.design, space.statistics
        wanted = list(design.columns)
        derived = {name: how for name in wanted if (how := design.derived.get(name)) is not None}
        if unknown := [name for name, how in derived.items() if not isinstance(how, _COMPILED)]:
            raise UnsupportedSpaceError(f"no compiled form of {', '.join(unknown)}")
        logs, log1ps = _of_kind(derived, Log), _of_kind(derived, LogOfOneMore)
        limits, flags = _of_kind(derived, AtLeast), _of_kind(derived, Among)
        by_text = {term.name for term in design.terms if isinstance(term, Levels)} | set(design.tree_categories)
        by_text |= {column for flag in flags.values() for column in flag.sources}
        plain = dict.fromkeys(source for name in wanted for source in design.derived.sources(name))
        self.categories = tuple(name for name in plain if name in by_text)
        self.numbers = tuple(dict.fromkeys([*(name for name in plain if name not in by_text), *extra_numbers]))
        self._category_at = {name: position for position, name in enumerate(self.categories)}
        self.levels: dict[str, tuple[str, ...]] = {
            name: tuple(statistics[f"levels:{name}"]) for name in self.categories if f"levels:{name}" in statistics
        }
        # Values: the table's numbers, then logarithms, limits reached and flags.
        values = [*self.numbers, *logs, *log1ps, *limits, *flags]
        at = {name: position for position, name in enumerate(values)}
        number_at = {name: position for position, name in enumerate(self.numbers)}
        self.n_values = len(values)
        self.log_from = _positions(number_at[how.column] for how in logs.values())
        self.log_floor: FloatArray = np.array([how.floor for how in logs.values()])
        self.log1p_from = _positions(number_at[how.column] for how in log1ps.values())
        self.limit_from = _positions(number_at[how.column] for how in limits.values())
        self.limit: FloatArray = np.array([how.limit for how in limits.values()], dtype=np.float64)
        self.flags = [self._flag(how) for how in flags.values()]
        self._compile_curves(space, at)
        self._compile_columns(space)
        self._compile_trees(space, at)

    @property
    def n_linear(self) -> int:
        """Columns of the linear matrix."""
        return len(self.left)

    def values(self, numbers: FloatArray, texts: Sequence[Sequence[str | None]]) -> FloatArray:
        """Compute every number behind the features.

        Args:
            numbers: Shape (n, len(self.numbers)); NaN for a missing value.
            texts: Per row its categories, in the order of `self.categories`.
        Returns:
            Shape (n, n_values).
        """
        n_rows, n_numbers = numbers.shape
        out = np.empty((n_rows, self.n_values))
        out[:, :n_numbers] = numbers
        end = n_numbers
        if len(self.log_from):
            begin, end = end, end + len(self.log_from)
            out[:, begin:end] = np.log(np.maximum(numbers.take(self.log_from, axis=1), self.log_floor))
        if len(self.log1p_from):
            begin, end = end, end + len(self.log1p_from)
            out[:, begin:end] = np.log1p(np.maximum(numbers.take(self.log1p_from, axis=1), 0.0))
        if len(self.limit_from):
            begin, end = end, end + len(self.limit_from)
            out[:, begin:end] = numbers.take(self.limit_from, axis=1) >= self.limit
        for position, flag in enumerate(self.flags, start=end):
            out[:, position] = [flag(row) for row in texts]
        return out

    def matrices(self, numbers: FloatArray, texts: Sequence[Sequence[str | None]]) -> Matrices:
        """Build both feature matrices, as `FeatureSpace` would from a table."""
        values = self.values(numbers, texts)
        return Matrices(self.linear(values, texts), self.trees(values, texts))

    def linear(self, values: FloatArray, texts: Sequence[Sequence[str | None]]) -> Float32Array:
        """Build the linear matrix, shape (n, n_linear)."""
        n_rows = len(values)
        read = values.take(self.curve_from, axis=1)
        if len(self.within):
            read[:, self.within] -= self.slope * values.take(self.within_from, axis=1)
        scaled = (read - self.centre) / self.scale
        np.minimum(np.maximum(scaled, -CLIP, out=scaled), CLIP, out=scaled)
        absent: BoolArray = scaled != scaled
        np.copyto(scaled, 0.0, where=absent)
        n_curves = len(self.curve_from)
        base = np.zeros((n_rows, self.n_base))
        base[:, 0] = 1.0
        base[:, 1 : 1 + n_curves] = scaled
        end = 1 + n_curves
        if len(self.bend_of):
            begin, end = end, end + len(self.bend_of)
            np.maximum(scaled.take(self.bend_of, axis=1) - self.knot, 0.0, out=base[:, begin:end])
        if len(self.nullable):
            begin, end = end, end + len(self.nullable)
            base[:, begin:end] = absent.take(self.nullable, axis=1)
        for row, of_row in zip(base, texts, strict=True):
            for position, codes in self.one_hot:
                if (code := codes.get(of_row[position])) is not None:
                    row[code] = 1.0
        return (base.take(self.left, axis=1) * base.take(self.right, axis=1)).astype(np.float32)

    def trees(self, values: FloatArray, texts: Sequence[Sequence[str | None]]) -> Float32Array:
        """Build the tree matrix, shape (n, len(tree_columns))."""
        n_numbers = len(self.tree_from)
        out = np.empty((len(values), n_numbers + len(self.tree_codes)), dtype=np.float32)
        out[:, :n_numbers] = values.take(self.tree_from, axis=1)
        for column, (position, codes) in enumerate(self.tree_codes, start=n_numbers):
            out[:, column] = [codes.get(row[position], -1.0) for row in texts]
        return out

    def _compile_curves(self, space: FeatureSpace, at: Mapping[str, int]) -> None:
        curves = [term for term in space.design.terms if isinstance(term, Curve)]
        learned = [space.statistics[f"curve:{curve.name}"] for curve in curves]
        self.curve_from = _positions(at[curve.name] for curve in curves)
        within = [k for k, curve in enumerate(curves) if curve.within]
        self.within = _positions(within)
        self.within_from = _positions(at[str(curves[k].within)] for k in within)
        self.slope: FloatArray = np.array([learned[k]["slope"] for k in within])
        self.centre: FloatArray = np.array([statistics["centre"] for statistics in learned])
        self.scale: FloatArray = np.array([statistics["scale"] for statistics in learned])
        bends = [(k, knot) for k, statistics in enumerate(learned) for knot in statistics["knots"]]
        self.bend_of = _positions(k for k, _ in bends)
        self.knot: FloatArray = np.array([knot for _, knot in bends])
        self.nullable = _positions(k for k, curve in enumerate(curves) if curve.nullable)

    def _compile_columns(self, space: FeatureSpace) -> None:
        """Number the base columns (one, curves, bends, absences, levels); each linear column is a product of two."""
        curves = [term for term in space.design.terms if isinstance(term, Curve)]
        n_curves, n_bends = len(curves), len(self.bend_of)
        bends: dict[int, list[int]] = {}
        for position, curve in enumerate(self.bend_of.tolist()):
            bends.setdefault(curve, []).append(1 + n_curves + position)
        absences = {curve: 1 + n_curves + n_bends + position for position, curve in enumerate(self.nullable.tolist())}
        n_base = 1 + n_curves + n_bends + len(absences)
        blocks: dict[str, list[int]] = {}
        self.one_hot: list[tuple[int, dict[str | None, int]]] = []
        left: list[int] = []
        right: list[int] = []
        curve_number = 0
        for term in space.design.terms:
            if isinstance(term, Product):
                pairs = [(a, b) for a in blocks[term.left] for b in blocks[term.right][: 1 if term.straight else None]]
                left += [a for a, _ in pairs]
                right += [b for _, b in pairs]
                continue
            if isinstance(term, Curve):
                block = [1 + curve_number, *bends.get(curve_number, ())]
                if term.nullable:
                    block.append(absences[curve_number])
                curve_number += 1
            else:
                levels = self.levels[term.name]
                block = list(range(n_base, n_base + len(levels)))
                self.one_hot.append((self._category_at[term.name], dict(zip(levels, block, strict=True))))
                n_base += len(levels)
            blocks[term.name] = block
            left += block
            right += [0] * len(block)
        self.n_base = n_base
        self.left, self.right = _positions(left), _positions(right)

    def _compile_trees(self, space: FeatureSpace, at: Mapping[str, int]) -> None:
        self.tree_from = _positions(at[name] for name in space.design.tree_numbers)
        self.tree_codes: list[tuple[int, dict[str | None, float]]] = [
            (self._category_at[name], {level: float(code) for code, level in enumerate(self.levels[name])})
            for name in space.design.tree_categories
        ]

    def _flag(self, how: Among) -> Callable[[Sequence[str | None]], float]:
        """Return a function that computes a flag from a row's categories."""
        within = [(self._category_at[column], levels) for column, levels in how.within.items()]
        outside = [(self._category_at[column], levels) for column, levels in how.outside.items()]
        if len(within) == 1 and not outside:
            ((only, wanted),) = within
            return lambda row: float(row[only] in wanted)
        return lambda row: float(
            all(row[position] in levels for position, levels in within)
            and not any(row[position] in levels for position, levels in outside)
        )


def _of_kind(derived: Mapping[str, Derivation], kind: type[D]) -> dict[str, D]:
    return {name: how for name, how in derived.items() if isinstance(how, kind)}


def _positions(numbers: Any) -> IntArray:
    return np.array(list(numbers), dtype=np.intp)
