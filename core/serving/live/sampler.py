"""Which requests are counted where more are answered than tell anything new."""

import math
import random
from collections.abc import Callable

ROWS_A_SECOND = 1_000
"""Rows of a version that are counted in a second, by each process.

Counting all of a hundred thousand rows a second took a quarter of its time and more (`benchmarks/bench_live.py`).
"""
REQUESTS_A_SECOND = 200
"""Requests of a version that are counted in a second, by each process.

A request of one row costs nearly as much to count as one of 64. These are 12,000 rows a minute at least, whose mean
is known to within 0.01 standard deviations: the error of the reference is larger, and a verdict waits for that.
"""
MEMORY_SECONDS = 60.0
"""How far back the rates look, exponentially weighed. A share that followed the rates of seconds would take all of a
short burst and little of the quiet second behind it; over a minute, callers who take turns have the same share."""


class RequestSampler:
    """Chooses whole requests at random, so that about so many rows and requests a second are chosen at most.

    The share is that of the requests before, so what a request holds has no influence on whether it is chosen; and
    whole requests are chosen, since the rows of one caller are alike. One thread asks which requests are chosen, and
    another one follows the rates: a request that is not chosen costs the answering thread neither a look at the clock
    nor a random number, but a number of requests to pass over, which was drawn before.
    """

    def __init__(
        self,
        rows_a_second: float = ROWS_A_SECOND,
        requests_a_second: float = REQUESTS_A_SECOND,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Begin with all.

        Args:
            rows_a_second: About how many rows are chosen at most.
            requests_a_second: About how many requests are chosen at most.
            draw: Draws from 0 to 1, without 1; by default from a source that every process seeds by itself.
        """
        self._most_rows = rows_a_second * MEMORY_SECONDS
        self._most_requests = requests_a_second * MEMORY_SECONDS
        self._draw = draw
        self._n_rows = self._n_requests = 0  # of the answering thread
        self._passed_over = 0  # requests that are still to be passed over; see `follow`
        self._share = 1.0  # this and what follows are of the following thread
        self._n_rows_known = self._n_requests_known = 0
        self._recent_rows = self._recent_requests = (
            0.0  # of the last minute, each weighed by exp(-age / MEMORY_SECONDS)
        )
        self._at = -math.inf

    @property
    def share(self) -> float:
        """The share of the requests that is chosen now."""
        return self._share

    def chooses(self, n_rows: int) -> bool:
        """Whether a request is chosen.

        Args:
            n_rows: Its rows.
        """
        self._n_rows += n_rows
        self._n_requests += 1
        if self._passed_over > 0:
            self._passed_over -= 1
            return False
        if (share := self._share) < 1.0:  # one look: the other thread may set it meanwhile
            self._passed_over = self._drawn(share)
        return True

    def follow(self, at: float) -> None:
        """Set the share by the rates of the last minute.

        The number that is passed over is drawn again, which changes no chances, since a geometric distribution has no
        memory: how many were passed over already does not matter. Where traffic has fallen, the next request must not
        wait for what was drawn under load. If the answering thread writes its number at the same moment, it may write
        over the new one, until the next time.

        Args:
            at: The time in seconds; where the clock was set back, no time has passed.
        """
        n_rows, n_requests = self._n_rows, self._n_requests
        kept = math.exp(-max(at - self._at, 0.0) / MEMORY_SECONDS)
        self._recent_rows = self._recent_rows * kept + (n_rows - self._n_rows_known)
        self._recent_requests = self._recent_requests * kept + (n_requests - self._n_requests_known)
        self._n_rows_known, self._n_requests_known, self._at = n_rows, n_requests, at
        share = 1.0 / max(self._recent_rows / self._most_rows, self._recent_requests / self._most_requests, 1.0)
        self._share = share
        self._passed_over = self._drawn(share) if share < 1.0 else 0

    def _drawn(self, share: float) -> int:
        """Draw how many requests are passed over before one is chosen.

        Args:
            share: That of the requests that is chosen; below 1.
        """
        return int(math.log1p(-self._draw()) / math.log1p(-share))
