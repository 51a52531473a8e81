"""How many calls a server has open at the same time, and how many of them are of one caller's address."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from core.serving.errors import UnavailableError


class Places:
    """The open calls of one server; used by the event loop alone."""

    def __init__(self, limit: int, limit_by_peer: int) -> None:
        """Begin with none.

        Args:
            limit: The maximum number of open calls.
            limit_by_peer: The maximum number from one address.
        """
        self._limit = limit
        self._limit_by_peer = limit_by_peer
        self._n = 0
        self._of_peer: Counter[str] = Counter()

    @contextmanager
    def taken(self, peer: str, *, is_probe: bool) -> Iterator[None]:
        """Take a place while a call is open.

        Probes need none, lest a busy server look dead; nor do they take any, since anybody may send them.

        Raises:
            UnavailableError: There is none.
        """
        if is_probe:
            yield
            return
        if self._n >= self._limit or self._of_peer[peer] >= self._limit_by_peer:
            raise UnavailableError("Too many calls are open; retry in a moment.")
        self._n += 1
        self._of_peer[peer] += 1
        try:
            yield
        finally:
            self._n -= 1
            self._of_peer[peer] -= 1
            if not self._of_peer[peer]:
                del self._of_peer[peer]
