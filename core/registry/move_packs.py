"""The older moves of a model, many in one document.

Moves are never deleted: who moved a version, when, why and on what evidence is asked for years later. Each document
costs every process its place in memory, however little of it is read, so that older moves share one: 64 of them cost
what one did. A pack is made when the state file is archived, in the same transaction, and is read when somebody asks.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from core.registry.documents import Transition

TABLE = "move_packs"
MOVES_IN_A_PACK = 64
SINGLE_MOVES = 256
"""How many of the newest moves of each model are documents of their own."""


class MovePack(msgspec.Struct, frozen=True, kw_only=True):
    """Moves of one model with consecutive numbers, whole, with their gates."""

    READ_WHEN_ASKED: ClassVar[tuple[str, ...]] = ("moves",)
    ALIKE: ClassVar[tuple[str, ...]] = ("model",)
    MOST_HELD: ClassVar[int] = 64

    key: str  # "spread/0" has the moves 1 to 64
    model: str
    moves: tuple[Transition, ...]  # ascending
    revision: int = 0


def pack_key(model: str, number: int) -> str:
    """Return the key of the pack in which a move would be.

    >>> pack_key("spread", 64), pack_key("spread", 65)
    ('spread/0', 'spread/1')
    """
    return f"{model}/{(number - 1) // MOVES_IN_A_PACK}"


def numbers_to_pack(newest: int) -> Iterator[range]:
    """Yield the numbers of the moves of each pack that a model should have.

    Args:
        newest: The number of its newest move.
    """
    for last in range(MOVES_IN_A_PACK, newest - SINGLE_MOVES + 1, MOVES_IN_A_PACK):
        yield range(last - MOVES_IN_A_PACK + 1, last + 1)
