"""How many connections the gRPC port holds, and which of them makes room for others.

gRPC's library says nothing of its connections, and lets no one end them: so they are found among the open files of the
process, and ended at their sockets. It is done as for HTTP (`core.serving.crowd`): one without an open call is ended,
first of a peer that has more than its share, else of the peer with the most; one that never asked goes first.
"""

import asyncio
import os
import socket
import stat
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import NamedTuple

from core.serving.predict import CallerAddress

_LOOK_SECONDS = 0.1
_DESCRIPTORS = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
_MAPPED = "::ffff:"  # before an IPv4 address on a socket of IPv6

_Address = tuple[str, int]


class _Connection(NamedTuple):
    """An open connection."""

    descriptor: int
    address: _Address


class RpcConnections:
    """The connections of one port of this process; used by the event loop alone."""

    def __init__(self, port: int, limit: int, limit_by_peer: int) -> None:
        """Begin with none.

        Args:
            port: The port.
            limit: The maximum number of connections.
            limit_by_peer: The maximum number of connections from one address.
        """
        self._port = port
        self._limit = limit
        self._limit_by_peer = limit_by_peer
        self._n_calls: Counter[CallerAddress] = Counter()
        self._rests_since: dict[_Address, tuple[bool, int]] = {}  # whether it ever asked, and which turn it was
        self._turn = 0
        self._seen: dict[int, tuple[int, _Address | None]] = {}  # by descriptor; the inode tells whether it is another

    @contextmanager
    def used(self, address: CallerAddress) -> Iterator[None]:
        """Hold a connection while one of its calls is open."""
        self._n_calls[address] += 1
        try:
            yield
        finally:
            self._n_calls[address] -= 1
            if not self._n_calls[address]:
                del self._n_calls[address]
                if address is not None:
                    self._turn += 1
                    if len(self._rests_since) > 4 * self._limit:
                        self._rests_since.clear()  # what it knows of connections that have ended
                    self._rests_since[address] = (True, self._turn)

    async def keep_room(self) -> None:
        """Look again and again whether there are too many, for a tenth of the time of one thread at most."""
        while True:
            began = time.monotonic()
            with suppress(OSError):  # no descriptor is left to look with: the next look may have one
                if (found := await asyncio.to_thread(self._look)) is not None:
                    self._settle(found)
            await asyncio.sleep(max(_LOOK_SECONDS, 9 * (time.monotonic() - began)))

    def make_room(self) -> int:
        """End the connections that are too many, as far as they are without a call; return how many."""
        found = self._look()
        return 0 if found is None else self._settle(found)

    def _look(self) -> dict[_Address, _Connection] | None:
        """Find the connections, unless the process has too few open files for too many of them."""
        names = os.listdir(_DESCRIPTORS)
        if len(names) <= min(self._limit, self._limit_by_peer):
            self._seen = {}
            return None
        found = {}
        seen: dict[int, tuple[int, _Address | None]] = {}
        for descriptor in map(int, names):
            with suppress(OSError):
                inode = os.fstat(descriptor).st_ino
                known = self._seen.get(descriptor)
                seen[descriptor] = known if known and known[0] == inode else (inode, _peer_on(descriptor, self._port))
                if (address := seen[descriptor][1]) is not None:
                    found[address] = _Connection(descriptor, address)
        self._seen = seen
        return found

    def _settle(self, found: dict[_Address, _Connection]) -> int:
        self._turn += 1
        self._rests_since = {address: self._rests_since.get(address, (False, self._turn)) for address in found}
        of_peer = Counter(host for host, _ in found)
        resting = sorted((each for each in found if each not in self._n_calls), key=self._rests_since.__getitem__)
        n_ended = 0
        for address in resting:
            if of_peer[address[0]] > self._limit_by_peer:
                n_ended += self._end(found.pop(address), of_peer)
        by_peer: dict[str, list[_Address]] = {}
        for address in reversed(resting):
            if address in found:
                by_peer.setdefault(address[0], []).append(address)
        while by_peer and len(found) > self._limit:
            largest = max(by_peer, key=of_peer.__getitem__)
            n_ended += self._end(found.pop(by_peer[largest].pop()), of_peer)
            if not by_peer[largest]:
                del by_peer[largest]
        return n_ended

    def _end(self, connection: _Connection, of_peer: Counter[str]) -> int:
        of_peer[connection.address[0]] -= 1
        # gRPC's library may close the descriptor at any moment, and another file may get its number: a copy stays.
        with suppress(OSError), closing(socket.socket(fileno=os.dup(connection.descriptor))) as copy:
            if _address_of(copy, self._port) == connection.address:
                copy.shutdown(socket.SHUT_RDWR)
                return 1
        return 0


def _peer_on(descriptor: int, port: int) -> _Address | None:
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return None
    looked_at = socket.socket(fileno=descriptor)
    try:
        return _address_of(looked_at, port)
    except OSError:  # it listens, or has just ended
        return None
    finally:
        looked_at.detach()


def _address_of(connection: socket.socket, port: int) -> _Address | None:
    """Return the address of the other end of a connection to a port; None if it is something else.

    Raises:
        OSError: It is not connected, or not open any more.
    """
    if connection.family not in (socket.AF_INET, socket.AF_INET6) or connection.getsockname()[1] != port:
        return None
    host, number = connection.getpeername()[:2]
    return host.removeprefix(_MAPPED), number
