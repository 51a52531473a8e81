"""All that a look at a version needs of the looks before, as bytes: the verdict, and how far each store was read."""

import zlib
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from core.arrays import IntArray
from core.json_documents import decode_msgpack
from core.monitoring.live import ProfileIndex, SketchError, from_bytes, to_bytes
from core.monitoring.sequential.outcome_history import OutcomeHistory
from core.monitoring.sequential.recent_rows import RecentRows
from core.monitoring.sequential.recent_steps import LENGTHS, N_STEPS, RecentSteps
from core.monitoring.sequential.sequential_drift import DriftState
from core.monitoring.sequential.stored_state import DriftStateError, state_from_bytes, state_to_bytes
from core.monitoring.sequential.streams import Streams
from core.packed_documents import unpacked
from core.telemetry.predictions import Cursor

MOST_PARTS = 1_000
_LEVEL = 1  # of zlib: a state is written once a minute
_MOST_ROWS = (1 << 31) - 1


@dataclass(slots=True)
class LiveState:
    """The state.

    Attributes:
        drift: That of the verdict; None before the first look.
        cursor: The newest minute that was read.
        outcomes_read: How far outcomes were read: each counts once.
        outcomes: Their counts.
        recent: The finest counts of what is shown.
        course: The rows of the last steps.
    """

    drift: DriftState | None = None
    cursor: int = 0
    outcomes_read: Cursor = field(default_factory=Cursor)
    outcomes: OutcomeHistory = field(default_factory=OutcomeHistory)
    recent: RecentRows = field(default_factory=RecentRows)
    course: RecentSteps = field(default_factory=RecentSteps)

    def to_bytes(self, drift: DriftState, streams: Streams, index: ProfileIndex) -> bytes:
        """Return the state as bytes; the same state gives the same bytes.

        Args:
            drift: The state of the verdict now.
            streams: The bets that it belongs to.
            index: The profile of the version.
        """
        return msgspec.msgpack.encode(
            _Stored(
                verdict=state_to_bytes(drift, streams, self.cursor),
                outcomes_read=self.outcomes_read,
                outcomes=self.outcomes.parts,
                day=self.recent.day,
                today=to_bytes(self.recent.today, index),
                yesterday=to_bytes(self.recent.yesterday, index),
                moves={k: to_bytes(sketch, index) for k, sketch in sorted(self.recent.moves.items())},
                length=self.course.length,
                steps={step: _packed(rows) for step, rows in sorted(self.course.steps.items())},
            )
        )


class _Stored(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Literal[3] = 3
    verdict: bytes
    outcomes_read: Cursor
    outcomes: Annotated[dict[int, bytes], Meta(max_length=MOST_PARTS)]
    day: date | None
    today: bytes
    yesterday: bytes
    moves: Annotated[dict[int, bytes], Meta(max_length=MOST_PARTS)]
    length: int
    steps: Annotated[dict[int, bytes], Meta(max_length=N_STEPS)]


def live_state_from_bytes(content: bytes, streams: Streams, index: ProfileIndex) -> LiveState:
    """Read a state strictly.

    Args:
        content: The bytes.
        streams: The bets of the same version.
        index: Its profile.
    Raises:
        DriftStateError: It cannot be read, or belongs to another profile or other settings.
    """
    try:
        stored = decode_msgpack(content, _Stored)
    except msgspec.DecodeError as error:
        raise DriftStateError(f"the state of the sequential verdict cannot be read ({error})") from error
    drift, cursor = state_from_bytes(stored.verdict, streams)
    try:
        today, yesterday = (from_bytes(index, sketch) for sketch in (stored.today, stored.yesterday))
        moves = {k: from_bytes(index, sketch) for k, sketch in stored.moves.items()}
        if stored.length not in LENGTHS:
            raise ValueError(f"steps of {stored.length} minutes")
        steps = {step: _unpacked(rows, streams) for step, rows in stored.steps.items()}
    except (SketchError, ValueError, zlib.error) as error:
        raise DriftStateError(f"the state of the sequential verdict is damaged ({error})") from error
    return LiveState(
        drift=drift,
        cursor=cursor,
        outcomes_read=stored.outcomes_read,
        outcomes=OutcomeHistory(stored.outcomes),
        recent=RecentRows(stored.day, today, yesterday, moves),
        course=RecentSteps(stored.length, steps),
    )


def _packed(rows: IntArray) -> bytes:
    return zlib.compress(np.minimum(rows, _MOST_ROWS).astype("<i4").tobytes(), _LEVEL)


def _unpacked(content: bytes, streams: Streams) -> IntArray:
    shape = len(streams.columns), streams.width
    plain = unpacked(content, shape[0] * shape[1] * 4)
    return np.frombuffer(plain, dtype="<i4").astype(np.int64).reshape(shape)
