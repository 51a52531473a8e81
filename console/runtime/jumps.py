"""The way back: the places that an operator has left by a jump, newest last."""

from collections import deque

import msgspec

N_KEPT = 100


class ScreenPlace(msgspec.Struct, frozen=True):
    """A screen, the list in focus there, and the row under its cursor."""

    screen: str
    table: str
    row: str | None


class Jumps:
    """The places left, as many as an operator may walk back through."""

    def __init__(self) -> None:
        self._left: deque[ScreenPlace] = deque(maxlen=N_KEPT)

    def leave(self, place: ScreenPlace) -> None:
        """Remember a place, unless it is the newest already."""
        if not self._left or self._left[-1] != place:
            self._left.append(place)

    def forget(self) -> None:
        """Forget every place: the operator has gone somewhere else on purpose."""
        self._left.clear()

    def back(self) -> ScreenPlace | None:
        """Return the newest place and forget it; None if the operator is back where the console opened."""
        return self._left.pop() if self._left else None
