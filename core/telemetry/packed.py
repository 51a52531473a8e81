"""Epochs as a reader holds them: numbers side by side in arrays, and each name once.

A page of 512 epochs and the courses of 71 metrics took 6 MiB as tuples, floats and a text for every name of every row.
"""

import functools
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import overload

from core.telemetry.spans import Point


class Points(Sequence[Point]):
    """The points of a course: those of a growing list up to now, and those that may still change. Compared by value."""

    __slots__ = ("_closed", "_n_closed", "_tail")

    def __init__(self, closed: "GrowingPoints", tail: tuple[Point, ...] = ()) -> None:
        self._closed = closed
        self._n_closed = len(closed)  # what is appended later belongs to later points
        self._tail = tail

    def __len__(self) -> int:
        return self._n_closed + len(self._tail)

    def __iter__(self) -> Iterator[Point]:
        return chain(islice(self._closed, self._n_closed), self._tail)

    @overload
    def __getitem__(self, index: int) -> Point: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Point, ...]: ...

    def __getitem__(self, index: int | slice) -> Point | tuple[Point, ...]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        place = range(len(self))[index]
        return self._closed.at(place) if place < self._n_closed else self._tail[place - self._n_closed]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Points | tuple) and len(self) == len(other) and all(map(_is_equal, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Points({list(self)})"


class GrowingPoints:
    """Points that are only ever appended."""

    __slots__ = ("_epochs", "_values")

    def __init__(self) -> None:
        self._epochs, self._values = array("q"), array("d")

    def append(self, points: Sequence[Point]) -> None:
        """Append points."""
        self._values.extend(value for _, value in points)
        self._epochs.extend(epoch for epoch, _ in points)  # last: a reader in another thread looks at these

    def at(self, place: int) -> Point:
        """Return the point at a place, from 0."""
        return self._epochs[place], self._values[place]

    def __len__(self) -> int:
        return len(self._epochs)

    def __iter__(self) -> Iterator[Point]:
        return zip(self._epochs, self._values, strict=False)


class PackedRow(Mapping[str, float]):
    """The metrics of one epoch; rows with the same metrics share their names."""

    __slots__ = ("_places", "_values")

    def __init__(self, row: Mapping[str, float]) -> None:
        self._places = _places(tuple(row))
        self._values = array("d", row.values())

    def __getitem__(self, name: str) -> float:
        return self._values[self._places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"PackedRow({dict(self)})"


@functools.lru_cache(maxsize=32)  # the metrics of a session change with its models, and so seldom
def _places(names: tuple[str, ...]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}


def _is_equal(one: object, other: object) -> bool:
    return one == other
