"""Sketches as bytes: a few KiB, read strictly, since a store can be damaged or forged."""

import hashlib
import math
import zlib
from typing import Annotated, NoReturn

import msgspec
import numpy as np
from msgspec import Meta

from core.errors import CoreError
from core.json_documents import decode_msgpack
from core.monitoring.data_profile import DataProfile
from core.monitoring.live.level_counts import MOST_UNSEEN, LevelCounts, LevelIndex
from core.monitoring.live.number_counts import FEW_VALUES, NumberCounts
from core.monitoring.live.sketch import ColumnCounts, ColumnIndex, LiveSketch, ProfileIndex, SliceCounts, SliceMoves
from core.packed_documents import unpacked

MAGIC = b"BXL1"
MOST_BYTES = 16 << 20  # of one sketch once it is unpacked
_LEVEL = 1  # of zlib: minutes are written often and read often
_FURTHEST_STEPS = 1 << 62

_Count = Annotated[int, Meta(ge=0, le=1 << 53)]
_Steps = Annotated[int, Meta(ge=-(1 << 62), le=1 << 62)]
_Hash = Annotated[int, Meta(ge=0)]


class SketchError(CoreError):
    """The bytes are not a sketch of this version."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The counts of served rows cannot be used: {problem}.")


class _Numbers(msgspec.Struct, array_like=True, tag=0, frozen=True, forbid_unknown_fields=True):
    cells: list[_Count]
    missing: _Count
    unreadable: _Count
    infinite: _Count
    steps: _Steps
    below: _Steps
    above: _Steps
    others: list[tuple[float, _Count]]


class _Levels(msgspec.Struct, array_like=True, tag=1, frozen=True, forbid_unknown_fields=True):
    levels: list[_Count]
    missing: _Count
    unseen: list[tuple[_Hash, _Count]]
    rest: _Count


class _Sketch(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    n: _Count
    features: dict[str, _Numbers | _Levels]
    answers: dict[str, _Numbers | _Levels]
    slices: dict[str, tuple[_Count, _Count, _Steps]]
    moves: tuple[_Count, list[_Count], list[_Steps]] | None = None  # features, rows, steps; None in earlier releases


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def profile_number(profile: DataProfile) -> str:
    """Return the name under which sketches of a profile are stored: no two profiles have the same."""
    return hashlib.sha256(profile.to_bytes()).hexdigest()[:16]


def to_bytes(sketch: LiveSketch, index: ProfileIndex | None = None) -> bytes:
    """Return the canonical bytes: the same counts give the same bytes.

    Args:
        sketch: The counts.
        index: The profile of its version: slices are then stored by their place in it, since a name has a level, which
            may be the name of a person.
    """
    places = {} if index is None else {name: str(place) for place, name in enumerate(index.profile.slices)}
    found = _Sketch(
        sketch.n,
        {name: _packed(counts) for name, counts in sketch.features.items()},
        {name: _packed(counts) for name, counts in sketch.answers.items()},
        {
            places.get(name, name): (counts.rows, counts.answered, _bounded(counts.steps))
            for name, counts in sketch.slices.items()
        },
        None if sketch.moves is None else _packed_moves(sketch.moves),
    )
    return MAGIC + zlib.compress(_ENCODER.encode(found), _LEVEL)


def from_bytes(index: ProfileIndex, content: bytes) -> LiveSketch:
    """Read a sketch strictly.

    Args:
        index: The profile of its version.
        content: The bytes.
    Raises:
        SketchError: They are not one, or not of this profile.
    """
    packed = _unpacked(content)
    sketch = LiveSketch(
        packed.n,
        {name: _of_column(index.columns.get(name), name, column) for name, column in packed.features.items()},
        {name: _of_column(index.answers.get(name), name, column) for name, column in packed.answers.items()},
    )
    for name, counts in sketch.features.items():
        if counts.rows != packed.n:
            _refuse(f"{name} has {counts.rows:,} cells in {packed.n:,} rows")
    names = tuple(index.profile.slices)
    for stored, (rows, answered, steps) in packed.slices.items():
        # Earlier releases stored the name, which has "=", and a roll-up may have added up both.
        name = names[int(stored)] if _is_place(stored, len(names)) else stored
        if name not in index.profile.slices:
            _refuse(f"the profile has no slice {name!r}")
        of_slice = sketch.slices.setdefault(name, SliceCounts())
        of_slice.add(SliceCounts(rows, answered, steps))
        if not answered <= rows or of_slice.rows > packed.n:
            _refuse(f"the slice {name!r} has {of_slice.rows:,} of {packed.n:,} rows")
    if packed.moves is not None:
        sketch.moves = _moves(packed.moves)
        if sketch.moves.rows.shape != (len(index.measured_slices), len(index.measured_features)):
            _refuse("they are by other slices than those of the profile")
        if sketch.moves.rows.max(initial=0) > packed.n:
            _refuse("a slice has more cells than there are rows")
    return sketch


def merged_bytes(parts: list[bytes]) -> bytes:
    """Add up sketches of one profile without the profile, for a roll-up.

    Raises:
        SketchError: A part is not a sketch, or they are not of one profile.
    """
    found = LiveSketch()
    for part in parts:
        packed = _unpacked(part)
        try:
            found.merge(
                LiveSketch(
                    packed.n,
                    {name: _counts(column) for name, column in packed.features.items()},
                    {name: _counts(column) for name, column in packed.answers.items()},
                    {name: SliceCounts(*counts) for name, counts in packed.slices.items()},
                    None if packed.moves is None else _moves(packed.moves),
                )
            )
        except ValueError as error:
            raise SketchError("they are of two profiles") from error
    return to_bytes(found)


def _is_place(stored: str, n_slices: int) -> bool:
    return stored.isascii() and stored.isdecimal() and len(stored) < 9 and int(stored) < n_slices


def _packed(counts: ColumnCounts) -> _Numbers | _Levels:
    if isinstance(counts, LevelCounts):
        return _Levels(counts.levels.tolist(), counts.missing, sorted(counts.unseen.items()), counts.rest)
    return _Numbers(
        counts.cells.tolist(),
        counts.missing,
        counts.unreadable,
        counts.infinite,
        _bounded(counts.steps),
        _bounded(counts.below),
        _bounded(counts.above),
        sorted(counts.others.items()),
    )


def _packed_moves(moves: SliceMoves) -> tuple[int, list[int], list[int]]:
    steps = np.clip(moves.steps, -_FURTHEST_STEPS, _FURTHEST_STEPS)
    return moves.rows.shape[1], moves.rows.ravel().tolist(), steps.ravel().tolist()


def _moves(packed: tuple[int, list[int], list[int]]) -> SliceMoves:
    n_features, rows, steps = packed
    if not n_features or len(rows) % n_features or len(rows) != len(steps):
        _refuse("their counts by slice contradict each other")
    shape = len(rows) // n_features, n_features
    return SliceMoves(np.array(rows, dtype=np.int64).reshape(shape), np.array(steps, dtype=np.int64).reshape(shape))


def _bounded(steps: int) -> int:
    return max(-_FURTHEST_STEPS, min(steps, _FURTHEST_STEPS))


def _unpacked(content: bytes) -> _Sketch:
    if not isinstance(content, bytes) or not content.startswith(MAGIC):
        _refuse("they do not begin as a sketch does")
    try:
        return decode_msgpack(unpacked(content[len(MAGIC) :], MOST_BYTES), _Sketch)
    except (zlib.error, msgspec.DecodeError) as error:
        raise SketchError(f"they are damaged ({error})") from error


def _of_column(index: ColumnIndex | None, name: str, packed: _Numbers | _Levels) -> ColumnCounts:
    if index is None:
        _refuse(f"the profile has no column {name!r}")
    found, wanted = _counts(packed), index.nothing()
    if isinstance(found, NumberCounts) and isinstance(wanted, NumberCounts):
        is_fit = len(found.cells) == len(wanted.cells)
    else:
        is_fit = (
            isinstance(found, LevelCounts)
            and isinstance(wanted, LevelCounts)
            and isinstance(index, LevelIndex)
            and len(found.levels) == len(wanted.levels)
            and not (index.is_bucketed and found.unseen)
        )
    if not is_fit:
        _refuse(f"{name} is counted in other bins than those of the profile")
    return found


def _counts(packed: _Numbers | _Levels) -> ColumnCounts:
    if isinstance(packed, _Levels):
        unseen = dict(packed.unseen)
        if len(unseen) != len(packed.unseen) or len(unseen) > MOST_UNSEEN or (packed.rest and len(unseen) < 2):
            _refuse(f"they name {len(packed.unseen)} unseen levels")
        if any(number >= 1 << 64 for number in unseen):
            _refuse("an unseen level has no hash")
        return LevelCounts(np.array(packed.levels, dtype=np.int64), packed.missing, unseen, packed.rest)
    others = dict(packed.others)
    if len(others) != len(packed.others) or len(others) > FEW_VALUES + 1 or not all(map(math.isfinite, others)):
        _refuse(f"they hold {len(packed.others)} other values")
    if packed.infinite > packed.unreadable or not packed.cells:
        _refuse("their counts contradict each other")
    return NumberCounts(
        np.array(packed.cells, dtype=np.int64), packed.missing, packed.unreadable, packed.infinite,
        packed.steps, packed.below, packed.above, others,
    )  # fmt: skip


def _refuse(problem: str) -> NoReturn:
    raise SketchError(problem)
