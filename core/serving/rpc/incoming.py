"""How many messages are on their way to a server at the same time: each may hold as much memory as a message can have.

A caller who begins a message and never ends it gives way to others: while every place is taken, the message that began
first, of the caller's address with the most, has a short time left.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from core.serving.errors import UnavailableError


class _Arrival(NamedTuple):
    """A message on its way."""

    peer: str
    began_at: float


class IncomingMessages:
    """The messages on their way; used by the event loop alone."""

    def __init__(self, limit: int, patience: float) -> None:
        """Begin with none.

        Args:
            limit: The maximum number of messages on their way.
            patience: How many seconds one that must give way has had by then.
        """
        self._free = asyncio.Semaphore(limit)
        self._patience = patience
        self._open: dict[asyncio.Timeout, _Arrival] = {}  # in their order
        self._hurried: set[asyncio.Timeout] = set()

    async def wait_for(self, read: Callable[[], Awaitable[Any]], peer: str, seconds: float) -> Any:
        """Read a message when there is a place for it.

        Args:
            read: Reads it.
            peer: The address of its caller.
            seconds: How long it may take, the time until there is a place included.
        Raises:
            TimeoutError: It has not arrived.
            UnavailableError: It has given way to another.
        """
        timer = asyncio.timeout(seconds)
        try:
            async with timer:
                if self._free.locked():
                    self._hurry_one()
                async with self._free:
                    self._open[timer] = _Arrival(peer, asyncio.get_running_loop().time())
                    return await read()
        except TimeoutError:
            if timer in self._hurried:
                raise UnavailableError("Too many messages are on their way; retry in a moment.") from None
            raise
        finally:
            self._open.pop(timer, None)
            self._hurried.discard(timer)

    def _hurry_one(self) -> None:
        waiting = {timer: arrival for timer, arrival in self._open.items() if timer not in self._hurried}
        if not waiting:
            return
        peer = Counter(arrival.peer for arrival in waiting.values()).most_common(1)[0][0]
        timer, arrival = next(each for each in waiting.items() if each[1].peer == peer)
        self._hurried.add(timer)
        until = max(arrival.began_at + self._patience, asyncio.get_running_loop().time())
        timer.reschedule(min(until, timer.when() or until))
