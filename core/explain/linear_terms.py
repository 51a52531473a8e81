"""Exact Shapley values of linear models on a design, against a background.

A linear model on derived columns is a sum of terms, each of few columns of the table: a curve, the levels of a
category, or a product of two of these. The Shapley value of a sum is the sum of the Shapley values, and a term of k
columns has 2ᵏ coalitions, whose worth is the mean of the term over the background rows with the known columns replaced.
Where one part of a product is wholly known and the other wholly unknown, that is a product of means, and no pair of
rows is formed.

Source:
    Lundberg and Lee, A unified approach to interpreting model predictions, NeurIPS 2017, corollary 1, for terms of one
    column; for a product it is the definition.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from core.arrays import Float32Array, FloatArray
from core.explain.shapley import interactions_of_coalitions, shapley_of_coalitions
from core.models.learners.feature_space import Curve, FeatureSpace, Levels, Product

MOST_SOURCES = 6  # of one term: 64 coalitions
CHUNK = 200  # rows of which all pairs with the background are formed


class LinearTerms:
    """A linear score on a design, ready to be explained against a background.

    Args:
        space: The design.
        coefficients: Intercept first.
        background: Rows of the table.
        matrix: Their linear matrix.
    """

    def __init__(
        self, space: FeatureSpace, coefficients: FloatArray, background: pd.DataFrame, matrix: Float32Array
    ) -> None:
        self._space = space
        self._coefficients = coefficients
        self._background = background.reset_index(drop=True)
        self._matrix = matrix.astype(np.float64)
        self._blocks: dict[str, tuple[Curve | Levels, FloatArray]] = {}
        self._slices = dict(self._walk())
        self.base = float((self._matrix @ coefficients[1:]).mean() + coefficients[0])

    def contributions(self, rows: pd.DataFrame, matrix: Float32Array, names: tuple[str, ...]) -> FloatArray:
        """Return the contribution of each named column to each row, shape (n, names).

        Args:
            rows: Rows of the table.
            matrix: Their linear matrix.
            names: The columns of the table; all that the design reads are among them.
        """
        at = {name: position for position, name in enumerate(names)}
        out = np.zeros((len(rows), len(names)))
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            self._explain(rows.iloc[part].reset_index(drop=True), matrix[part].astype(np.float64), at, out[part])
        return out

    def interactions(self, rows: pd.DataFrame, matrix: Float32Array, names: tuple[str, ...]) -> FloatArray:
        """Return the Shapley interaction of each pair of columns in each row, shape (n, names, names).

        Args:
            rows: Rows of the table.
            matrix: Their linear matrix.
            names: As in `contributions`.
        """
        at = {name: position for position, name in enumerate(names)}
        out = np.zeros((len(rows), len(names), len(names)))
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            these, own_matrix = rows.iloc[part].reset_index(drop=True), matrix[part].astype(np.float64)
            for sources, worths in self._games(these, own_matrix):
                for (one, other), found in interactions_of_coalitions(worths).items():
                    out[part, at[sources[one]], at[sources[other]]] += found
                    out[part, at[sources[other]], at[sources[one]]] += found
        return out

    def _games(self, rows: pd.DataFrame, matrix: FloatArray) -> Iterator[tuple[tuple[str, ...], list[FloatArray]]]:
        """Yield the columns that each term reads, with the worth of each of their coalitions."""
        own = {name: self._space.block(term, rows) for name, (term, _) in self._blocks.items()}
        for term, (begin, end) in zip(self._space.design.terms, self._slices.values(), strict=True):
            weights = self._coefficients[1 + begin : 1 + end]
            known, unknown = matrix[:, begin:end] @ weights, float((self._matrix[:, begin:end] @ weights).mean())
            names = self._sources(term)
            worths = [np.full(len(rows), unknown)]
            worths += [self._worth(term, weights, rows, own, names, k) for k in range(1, 2 ** len(names) - 1)]
            yield names, [*worths, known]

    def _explain(self, rows: pd.DataFrame, matrix: FloatArray, at: dict[str, int], out: FloatArray) -> None:
        for names, worths in self._games(rows, matrix):
            for name, value in zip(names, shapley_of_coalitions(worths), strict=True):
                out[:, at[name]] += value

    def _worth(
        self,
        term: Curve | Levels | Product,
        weights: FloatArray,
        rows: pd.DataFrame,
        own: dict[str, FloatArray],
        names: tuple[str, ...],
        coalition: int,
    ) -> FloatArray:
        """Return the mean of a term over the background rows, with the coalition's columns taken from each row."""
        known = {name for k, name in enumerate(names) if coalition >> k & 1}
        if not isinstance(term, Product):
            return np.asarray((self._mixed(term.name, known, rows, own) @ weights).mean(axis=1))
        left = self._mixed(term.left, known, rows, own)
        right = self._mixed(term.right, known, rows, own)
        if term.straight:
            right = right[..., :1]
        table = weights.reshape(left.shape[-1], right.shape[-1])
        # A side that is wholly known, or wholly unknown, does not vary along one of the two axes of rows.
        if left.shape[1] == 1 or right.shape[1] == 1:
            return np.asarray(((left.mean(axis=1) @ table) * right.mean(axis=1)).sum(axis=1))
        return np.asarray(((left @ table) * right).sum(axis=2).mean(axis=1))

    def _mixed(self, name: str, known: set[str], rows: pd.DataFrame, own: dict[str, FloatArray]) -> FloatArray:
        """Return a block by row and background row, shape (n or 1, m or 1, width)."""
        term, theirs = self._blocks[name]
        sources = self._space.term_sources(term)
        inside = known.intersection(sources)
        if len(inside) == len(sources):
            return own[name][:, None, :]
        if not inside:
            return theirs[None, :, :]
        n_rows, n_others = len(rows), len(self._background)
        repeated = rows[list(sources)].iloc[np.repeat(np.arange(n_rows), n_others)].reset_index(drop=True)
        tiled = self._background[list(sources)].iloc[np.tile(np.arange(n_others), n_rows)].reset_index(drop=True)
        frame = pd.DataFrame({source: (repeated if source in inside else tiled)[source] for source in sources})
        return self._space.block(term, frame).reshape(n_rows, n_others, -1)

    def _sources(self, term: Curve | Levels | Product) -> tuple[str, ...]:
        if not isinstance(term, Product):
            return self._space.term_sources(term)
        both = (self._space.term_sources(self._blocks[side][0]) for side in (term.left, term.right))
        return tuple(dict.fromkeys(source for sources in both for source in sources))

    def _walk(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """Yield each term with the columns of the matrix that are its own, and keep the blocks of the background."""
        start = 0
        for position, term in enumerate(self._space.design.terms):
            if isinstance(term, Product):
                right = self._blocks[term.right][1].shape[1]
                width = self._blocks[term.left][1].shape[1] * (1 if term.straight else right)
            else:
                self._blocks[term.name] = (term, self._space.block(term, self._background))
                width = self._blocks[term.name][1].shape[1]
            yield position, (start, start + width)
            start += width


def linear_columns(space: FeatureSpace) -> tuple[str, ...]:
    """Name the columns of the table that a design's linear matrix is computed from."""
    terms = (term for term in space.design.terms if not isinstance(term, Product))
    return tuple(dict.fromkeys(source for term in terms for source in space.term_sources(term)))


def most_sources(space: FeatureSpace) -> int:
    """Return how many columns of the table the largest term of a design reads."""
    by_name = {term.name: space.term_sources(term) for term in space.design.terms if not isinstance(term, Product)}
    sizes = [len(sources) for sources in by_name.values()]
    for term in space.design.terms:
        if isinstance(term, Product):
            sizes.append(len({*by_name[term.left], *by_name[term.right]}))
    return max(sizes, default=0)
