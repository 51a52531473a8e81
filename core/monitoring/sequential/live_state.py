"""All that a look at a version needs of the looks before, as bytes: the verdict, and how far each store was read."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.monitoring.sequential.outcome_history import OutcomeHistory
from core.monitoring.sequential.sequential_drift import DriftState
from core.monitoring.sequential.stored_state import DriftStateError, state_from_bytes, state_to_bytes
from core.monitoring.sequential.streams import Streams
from core.telemetry.predictions import Cursor

MOST_PARTS = 1_000


@dataclass(slots=True)
class LiveState:
    """The state.

    Attributes:
        drift: That of the verdict; None before the first look.
        cursor: The newest minute that was read.
        outcomes_read: How far outcomes were read: each counts once.
        outcomes: Their counts.
    """

    drift: DriftState | None = None
    cursor: int = 0
    outcomes_read: Cursor = field(default_factory=Cursor)
    outcomes: OutcomeHistory = field(default_factory=OutcomeHistory)

    def to_bytes(self, drift: DriftState, streams: Streams) -> bytes:
        """Return the state as bytes; the same state gives the same bytes.

        Args:
            drift: The state of the verdict now.
            streams: The bets that it belongs to.
        """
        return msgspec.msgpack.encode(
            _Stored(
                verdict=state_to_bytes(drift, streams, self.cursor),
                outcomes_read=self.outcomes_read,
                outcomes=self.outcomes.parts,
            )
        )


class _Stored(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Literal[2] = 2
    verdict: bytes
    outcomes_read: Cursor
    outcomes: Annotated[dict[int, bytes], Meta(max_length=MOST_PARTS)]


def live_state_from_bytes(content: bytes, streams: Streams) -> LiveState:
    """Read a state strictly.

    Args:
        content: The bytes.
        streams: The bets of the same version.
    Raises:
        DriftStateError: It cannot be read, or belongs to another profile or other settings.
    """
    try:
        stored = msgspec.msgpack.decode(content, type=_Stored)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DriftStateError(f"the state of the sequential verdict cannot be read ({error})") from error
    drift, cursor = state_from_bytes(stored.verdict, streams)
    return LiveState(drift, cursor, stored.outcomes_read, OutcomeHistory(stored.outcomes))
