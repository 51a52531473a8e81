"""How many connections a server holds, and which of them makes room for a new one.

A connection that waits for its caller costs a descriptor and nothing else, so it is closed for a new one:
first a connection of the same peer, if that peer has more than its share, else of the peer with the most. When every
connection is busy, a reserve remains in which only probes are answered.
"""

from collections import Counter
from collections.abc import Iterable
from enum import Enum
from typing import Protocol

RESERVE = 32
"""Connections beyond the limit, for probes; and as many that are refused, until they have read so."""


class Admission(Enum):
    """What becomes of a new connection."""

    WELCOME = "welcome"
    PROBES_ONLY = "probes only"
    REFUSED = "refused"


class Member(Protocol):
    """A connection."""

    @property
    def peer(self) -> str:
        """The address of the other end."""

    @property
    def waits_since(self) -> tuple[bool, float] | None:
        """Since when the server waits for the caller, after whether it ever asked; None while it is being answered."""

    def give_way(self) -> None:
        """Close."""


class Crowd:
    """The connections of one server; used by the event loop alone."""

    def __init__(self, limit: int, limit_by_peer: int) -> None:
        """Begin with none.

        Args:
            limit: The maximum number of connections, without the reserve.
            limit_by_peer: The maximum number of connections from one address.
        """
        self._limit = limit
        self._limit_by_peer = limit_by_peer
        self._members: set[Member] = set()
        self._reserve: set[Member] = set()
        self._of_peer: Counter[str] = Counter()
        self._refused: set[Member] = set()  # and still heard out

    def enter(self, member: Member) -> Admission:
        """Take a new connection in, unless it is refused; another may be closed for it."""
        if self._has_room(member.peer):
            self._members.add(member)
            self._of_peer[member.peer] += 1
            return Admission.WELCOME
        if len(self._reserve) >= RESERVE and not self._close_one_of(self._reserve):
            return Admission.REFUSED
        self._reserve.add(member)
        return Admission.PROBES_ONLY

    def hear_out(self, member: Member) -> bool:
        """Let a refused connection stay until its request has arrived; False if too many of them do."""
        if len(self._refused) >= RESERVE:
            return False
        self._refused.add(member)
        return True

    def leave(self, member: Member) -> None:
        """Forget a connection; harmless if it was not taken in."""
        self._refused.discard(member)
        self._reserve.discard(member)
        if member in self._members:
            self._members.remove(member)
            self._of_peer[member.peer] -= 1
            if not self._of_peer[member.peer]:
                del self._of_peer[member.peer]

    def _has_room(self, peer: str) -> bool:
        if self._of_peer[peer] >= self._limit_by_peer and not self._close_one_of(self._of(peer)):
            return False
        return len(self._members) < self._limit or self._close_one_of(self._of(self._largest_peer()))

    def _of(self, peer: str) -> list[Member]:
        return [member for member in self._members if member.peer == peer]

    def _largest_peer(self) -> str:
        return self._of_peer.most_common(1)[0][0]

    def _close_one_of(self, members: Iterable[Member]) -> bool:
        """Close the connection that has waited longest, one that never asked first; say whether one did."""
        waiting = [(since, id(member), member) for member in members if (since := member.waits_since) is not None]
        if not waiting:
            return False
        longest = min(waiting)[-1]
        self.leave(longest)
        longest.give_way()
        return True
