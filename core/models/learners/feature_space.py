"""From a table to the two matrices the learners read: one for linear models, one for trees.

A `Design` lists the columns a model reads and how; a `FeatureSpace` is a design whose centres, scales, knots and
category levels were learned from the first panel and then frozen, so that everything learned later keeps
its meaning. This module never reads labels.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import Float32Array, FloatArray, IntArray
from core.models.learners.derived import NONE_DERIVED, DerivedColumns

CLIP = 5.0  # standard deviations; one absurd cell must not dominate a fit


@dataclass(frozen=True, slots=True)
class Curve:
    """A number, as a straight line with optional bends: at quantiles, or where `knots` says, in the number's own unit.

    `within` first removes the straight-line dependence on another column: leverage *for its rating*.
    `prior_sd` and `bend_sd` are the prior sizes of the effects, per standard deviation.
    """

    name: str
    bends: int = 0
    prior_sd: float = 0.5
    bend_sd: float = 0.3
    within: str | None = None
    nullable: bool = False
    knots: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Levels:
    """A category, one column per level; an unseen level is all zeros."""

    name: str
    prior_sd: float = 0.5


@dataclass(frozen=True, slots=True)
class Product:
    """Every column of one block times every column of another, both named earlier in the same design.

    `straight` takes only the straight line of a curve on the right, not its bends.
    """

    left: str
    right: str
    prior_sd: float = 0.2
    straight: bool = False


@dataclass(frozen=True, slots=True)
class Design:
    """The inputs of one model: the terms of its linear part, and the columns its trees may split on."""

    terms: tuple[Curve | Levels | Product, ...]
    tree_numbers: tuple[str, ...]
    tree_categories: tuple[str, ...] = ()
    rising: tuple[str, ...] = ()  # columns in which the prediction may only rise
    derived: DerivedColumns = NONE_DERIVED  # the derivations of names that are not columns of the table

    @property
    def columns(self) -> tuple[str, ...]:
        """Every feature the design reads, including derived features, once each."""
        names = [term.name for term in self.terms if not isinstance(term, Product)]
        names += [term.within for term in self.terms if isinstance(term, Curve) and term.within]
        return tuple(dict.fromkeys([*names, *self.tree_numbers, *self.tree_categories]))

    def only(self, columns: Collection[str]) -> "Design":
        """Return the part of the design that reads these columns of the table and no others."""
        wanted, terms, names = set(columns), list[Curve | Levels | Product](), set[str]()

        def is_left(name: str) -> bool:
            return wanted.issuperset(self.derived.sources(name))

        for term in self.terms:
            if isinstance(term, Product):
                if term.left in names and term.right in names:
                    terms.append(term)
            elif is_left(term.name):
                if isinstance(term, Curve) and term.within is not None and not is_left(term.within):
                    term = replace(term, within=None)  # noqa: PLW2901
                terms.append(term)
                names.add(term.name)
        return replace(
            self,
            terms=tuple(terms),
            tree_numbers=tuple(filter(is_left, self.tree_numbers)),
            tree_categories=tuple(filter(is_left, self.tree_categories)),
            rising=tuple(filter(is_left, self.rising)),
        )


class FeatureSpace:
    """A design with its frozen statistics.

    Args:
        design: The features.
        statistics: Learned by `learn` or restored from an artifact: per term, plain JSON values.
    """

    def __init__(self, design: Design, statistics: Mapping[str, Any]) -> None:
        self.design = design
        self.statistics = dict(statistics)
        self.linear_sources, self.prior_sd = self._describe_linear()

    @classmethod
    def learn(cls, design: Design, frame: pd.DataFrame, *, model: str) -> "FeatureSpace":
        """Learn centres, scales, knots and levels from a first panel.

        Raises:
            MissingColumnsError: The table lacks columns the design reads.
        """
        design.derived.require(frame, design.columns, model=model)
        statistics: dict[str, Any] = {}
        for name in (*design.tree_categories, *(t.name for t in design.terms if isinstance(t, Levels))):
            statistics[f"levels:{name}"] = _levels(frame, name)
        for term in design.terms:
            if isinstance(term, Curve):
                statistics[f"curve:{term.name}"] = _curve_statistics(term, frame, design.derived)
        return cls(design, statistics)

    @property
    def n_linear(self) -> int:
        """Columns of the linear matrix, without the intercept."""
        return len(self.prior_sd)

    @property
    def tree_columns(self) -> tuple[str, ...]:
        """Names of the columns of the tree matrix, in order: numbers first, then categories."""
        return (*self.design.tree_numbers, *self.design.tree_categories)

    @property
    def category_positions(self) -> list[int]:
        """Which columns of the tree matrix hold category codes."""
        first = len(self.design.tree_numbers)
        return list(range(first, first + len(self.design.tree_categories)))

    @property
    def n_levels(self) -> tuple[int, ...]:
        """Per column of the tree matrix how many levels it has, 0 for a number."""
        categories = (len(self.statistics[f"levels:{name}"]) for name in self.design.tree_categories)
        return (*(0 for _ in self.design.tree_numbers), *categories)

    @property
    def directions(self) -> list[int]:
        """Per column of the tree matrix: 1 where the prediction may only rise, else 0."""
        return [int(name in self.design.rising) for name in self.tree_columns]

    def linear(self, frame: pd.DataFrame) -> Float32Array:
        """Build the linear matrix.

        Returns:
            Shape (n, n_linear), no missing values.
        """
        n_rows = len(frame)
        out = np.empty((n_rows, self.n_linear), dtype=np.float32)
        blocks: dict[str, FloatArray] = {}
        start = 0
        for term in self.design.terms:
            if isinstance(term, Product):
                left, right = blocks[term.left], blocks[term.right][:, : 1 if term.straight else None]
                block = (left[:, :, None] * right[:, None, :]).reshape(n_rows, -1)
            else:
                block = self.block(term, frame)
                blocks[term.name] = block
            out[:, start : start + block.shape[1]] = block
            start += block.shape[1]
        return out

    def block(self, term: Curve | Levels, frame: pd.DataFrame) -> FloatArray:
        """Build the columns of one term, which need no column of the table but `term_sources`; shape (n, width)."""
        return self._curve(term, frame) if isinstance(term, Curve) else self._one_hot(term, frame)

    def term_sources(self, term: Curve | Levels) -> tuple[str, ...]:
        """Name the columns of the table that a term is computed from, once each."""
        names = [term.name, *([term.within] if isinstance(term, Curve) and term.within else [])]
        return tuple(dict.fromkeys(source for name in names for source in self.design.derived.sources(name)))

    def trees(self, frame: pd.DataFrame) -> Float32Array:
        """Build the tree matrix.

        Returns:
            Shape (n, len(tree_columns)); NaN where the table has no value; categories as codes, -1 for unseen levels.
        """
        out = np.empty((len(frame), len(self.tree_columns)), dtype=np.float32)
        for position, name in enumerate(self.design.tree_numbers):
            out[:, position] = self.design.derived.read(frame, name)
        for position, name in enumerate(self.design.tree_categories, start=len(self.design.tree_numbers)):
            out[:, position] = _codes(frame, name, self.statistics[f"levels:{name}"])
        return out

    def _describe_linear(self) -> tuple[tuple[tuple[str, ...], ...], FloatArray]:
        """Return, per linear column, the columns of the table behind it, and its prior standard deviation."""
        widths: dict[str, int] = {}
        made_of: dict[str, tuple[str, ...]] = {}
        sources = self.design.derived.sources
        columns: list[tuple[str, ...]] = []
        prior: list[float] = []
        for term in self.design.terms:
            if isinstance(term, Product):
                width = widths[term.left] * (1 if term.straight else widths[term.right])
                origin = (*made_of[term.left], *made_of[term.right])
                scales = [term.prior_sd] * width
            elif isinstance(term, Curve):
                n_bends = len(self.statistics[f"curve:{term.name}"]["knots"])
                width = 1 + n_bends + term.nullable
                origin = sources(term.name)
                scales = [term.prior_sd, *[term.bend_sd] * n_bends, *[term.prior_sd] * term.nullable]
            else:
                width = len(self.statistics[f"levels:{term.name}"])
                origin = sources(term.name)
                scales = [term.prior_sd] * width
            if not isinstance(term, Product):
                widths[term.name], made_of[term.name] = width, origin
            columns += [origin] * width
            prior += scales
        return tuple(columns), np.array(prior)

    def _curve(self, term: Curve, frame: pd.DataFrame) -> FloatArray:
        learned = self.statistics[f"curve:{term.name}"]
        read = self.design.derived.read
        values = read(frame, term.name)
        if term.within:
            values = values - learned["slope"] * read(frame, term.within)
        absent = np.isnan(values)
        scaled = np.clip((values - learned["centre"]) / learned["scale"], -CLIP, CLIP)
        scaled[absent] = 0.0
        parts = [scaled, *(np.maximum(scaled - knot, 0.0) for knot in learned["knots"])]
        if term.nullable:
            parts.append(absent.astype(np.float64))
        return np.stack(parts, axis=1)

    def _one_hot(self, term: Levels, frame: pd.DataFrame) -> FloatArray:
        levels = self.statistics[f"levels:{term.name}"]
        codes = _codes(frame, term.name, levels)
        return np.asarray(codes[:, None] == np.arange(len(levels)), dtype=np.float64)


def _levels(frame: pd.DataFrame, name: str) -> list[str]:
    # A declared category counts even if a small first panel does not have it: a later panel will.
    dtype = frame[name].dtype
    levels = dtype.categories if isinstance(dtype, pd.CategoricalDtype) else frame[name].dropna().unique()
    return sorted({str(level) for level in levels})


def _codes(frame: pd.DataFrame, name: str, levels: Sequence[str]) -> FloatArray:
    column = frame[name]
    if not isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype("category")
    position = {level: code for code, level in enumerate(levels)}
    lookup: FloatArray = np.array(
        [position.get(str(level), -1) for level in column.cat.categories] + [-1], dtype=np.float64
    )
    codes: IntArray = np.asarray(column.cat.codes, dtype=np.int64)
    return lookup[codes]


def _curve_statistics(term: Curve, frame: pd.DataFrame, derived: DerivedColumns) -> dict[str, Any]:
    values = derived.read(frame, term.name)
    slope = 0.0
    if term.within:
        other = derived.read(frame, term.within)
        both = np.isfinite(values) & np.isfinite(other)
        spread = float(np.var(other[both])) if both.any() else 0.0
        if spread > 0:
            slope = float(np.cov(values[both], other[both], ddof=0)[0, 1]) / spread
        values = values - slope * other
    present = values[np.isfinite(values)]
    if present.size == 0:
        return {"centre": 0.0, "scale": 1.0, "slope": slope, "knots": []}
    # Quartiles rather than moments: the panel has typing errors a hundred times too large.
    low, centre, high = np.quantile(present, (0.1587, 0.5, 0.8413))
    scale = float(high - low) / 2 or float(np.std(present)) or 1.0
    inner = term.knots or np.quantile(present, np.arange(1, term.bends + 1) / (term.bends + 1)).tolist()
    knots = sorted({round(float((knot - centre) / scale), 6) for knot in inner})
    return {"centre": float(centre), "scale": scale, "slope": slope, "knots": knots}
