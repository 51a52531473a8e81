"""Vectors of series over the steps of an evaluation, and what holds them apart: their labels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.promql.errors import PromqlError
from core.promql.series import NAME, SeriesLabels

Floats: TypeAlias = FloatArray
Times: TypeAlias = IntArray
Presence: TypeAlias = BoolArray


@dataclass(slots=True)
class Vector:
    """An instant vector at each of n_steps: labels of n series, values and presence of shape (n, n_steps)."""

    labels: list[SeriesLabels]
    values: Floats
    present: Presence

    @classmethod
    def empty(cls, n_steps: int) -> "Vector":
        """Return a vector without series."""
        return cls([], np.zeros((0, n_steps)), np.zeros((0, n_steps), dtype=bool))


StepValues: TypeAlias = Vector | Floats | str
"""A vector, a scalar per step, or a string."""


def without_name(labels: SeriesLabels) -> SeriesLabels:
    """Return labels without the name of the series."""
    return tuple([pair for pair in labels if pair[0] != NAME])


def labels_of(pairs: Iterable[tuple[str, str]]) -> SeriesLabels:
    """Return sorted labels; an empty value is no label."""
    return tuple(sorted(pair for pair in pairs if pair[1]))


def merged(vector: Vector) -> Vector:
    """Join series that have the same labels at different steps.

    Raises:
        PromqlError: Two series have the same labels at one step.
    """
    if len(set(vector.labels)) == len(vector.labels):
        return vector
    rows: dict[SeriesLabels, int] = {}
    values: list[Floats] = []
    present: list[Presence] = []
    for row, labels in enumerate(vector.labels):
        if not vector.present[row].any():
            continue
        at = rows.setdefault(labels, len(rows))
        if at == len(values):
            values.append(vector.values[row].copy())
            present.append(vector.present[row].copy())
            continue
        if (present[at] & vector.present[row]).any():
            raise PromqlError("vector cannot contain metrics with the same labelset")
        values[at][vector.present[row]] = vector.values[row][vector.present[row]]
        present[at] |= vector.present[row]
    if not rows:
        return Vector.empty(vector.values.shape[1])
    return Vector(list(rows), np.stack(values), np.stack(present))


def nameless(vector: Vector) -> Vector:
    """Drop the names of the series."""
    return merged(Vector([without_name(labels) for labels in vector.labels], vector.values, vector.present))


def key_function(names: Iterable[str], *, keeps: bool) -> Callable[[SeriesLabels], SeriesLabels]:
    """Return what reduces labels to those named (keeps), or to those not named and not the name of the series."""
    if keeps:
        kept = frozenset(names)
        return lambda labels: tuple([pair for pair in labels if pair[0] in kept])
    dropped = frozenset(names) | {NAME}
    return lambda labels: tuple([pair for pair in labels if pair[0] not in dropped])
