"""Derived columns, such as logarithms and flags, computed row by row.

A derivation reads one row of one table, no other row and no statistic, so it cannot leak from one
group of rows, or from the future, into another. A model's design names its derived columns; serving compiles the same
objects for rows that never become a table.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import FloatArray
from core.models.errors import MissingColumnsError


class Derivation(ABC):
    """How one column is computed from columns of the table."""

    @property
    @abstractmethod
    def sources(self) -> tuple[str, ...]:
        """The table's columns that it is computed from."""

    @abstractmethod
    def of(self, frame: pd.DataFrame) -> FloatArray:
        """Compute the column, shape (n,)."""


@dataclass(frozen=True, slots=True)
class _OfOneColumn(Derivation):
    column: str

    @property
    @override
    def sources(self) -> tuple[str, ...]:
        return (self.column,)


@dataclass(frozen=True, slots=True)
class Log(_OfOneColumn):
    """The logarithm of a number, floored at `floor`."""

    floor: float

    @override
    def of(self, frame: pd.DataFrame) -> FloatArray:
        return np.log(np.maximum(numbers_of(frame, self.column), self.floor))


@dataclass(frozen=True, slots=True)
class LogOfOneMore(_OfOneColumn):
    """The logarithm of one plus a number, floored at 0."""

    @override
    def of(self, frame: pd.DataFrame) -> FloatArray:
        return np.log1p(np.maximum(numbers_of(frame, self.column), 0.0))


@dataclass(frozen=True, slots=True)
class AtLeast(_OfOneColumn):
    """1 where a number reaches a limit, else 0."""

    limit: float

    @override
    def of(self, frame: pd.DataFrame) -> FloatArray:
        return (numbers_of(frame, self.column) >= self.limit).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Among(Derivation):
    """1 where each category of `within` has one of its levels and each of `outside` has none of its levels, else 0."""

    within: Mapping[str, frozenset[str]]
    outside: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    @override
    def sources(self) -> tuple[str, ...]:
        return (*self.within, *self.outside)

    @override
    def of(self, frame: pd.DataFrame) -> FloatArray:
        holds = np.ones(len(frame), dtype=np.bool_)
        for column, levels in self.within.items():
            holds &= np.asarray(frame[column].isin(levels), dtype=np.bool_)
        for column, levels in self.outside.items():
            holds &= ~np.asarray(frame[column].isin(levels), dtype=np.bool_)
        return holds.astype(np.float64)


class DerivedColumns:
    """The derived columns of one domain by name; every other name is a column of the table itself."""

    def __init__(self, derivations: Mapping[str, Derivation]) -> None:
        self._derivations = dict(derivations)

    def get(self, name: str) -> Derivation | None:
        """Return the derivation of a column; None for a column of the table itself."""
        return self._derivations.get(name)

    def read(self, frame: pd.DataFrame, name: str) -> FloatArray:
        """Read one column, derived or plain, as floats, shape (n,); NaN where the table has no value."""
        derivation = self.get(name)
        return numbers_of(frame, name) if derivation is None else derivation.of(frame)

    def sources(self, name: str) -> tuple[str, ...]:
        """Name the table's columns behind a feature, so that importance can be reported by them."""
        derivation = self.get(name)
        return (name,) if derivation is None else derivation.sources

    def require(self, frame: pd.DataFrame, names: Iterable[str], *, model: str) -> None:
        """Check that a table has every column behind these names.

        Raises:
            MissingColumnsError: Some columns are missing; all of them are named.
        """
        wanted = {source for name in names for source in self.sources(name)}
        if missing := sorted(wanted - set(frame.columns)):
            raise MissingColumnsError(model, missing)


NONE_DERIVED = DerivedColumns({})


def numbers_of(frame: pd.DataFrame, column: str) -> FloatArray:
    """Return a column of the table as floats, shape (n,)."""
    return frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
