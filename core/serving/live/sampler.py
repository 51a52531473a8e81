"""Which requests are counted where more rows are answered than tell anything new."""

import math
import random
from collections.abc import Callable

ROWS_A_SECOND = 1_000
"""Rows of a version that are counted in a second, by each process.

Counting all of a hundred thousand rows a second took a quarter of its time and more (`benchmarks/bench_live.py`).
A move of a third of a standard deviation is found from a thousand rows, so these find it as soon as a minute is over.
"""


MEMORY_SECONDS = 60.0
"""How far back the rate looks, exponentially weighed. A share that followed the rate of seconds would take all of a
short burst and little of the quiet second behind it; over a minute, callers who take turns have the same share."""


class RequestSampler:
    """Chooses whole requests at random, so that about so many rows a second are chosen.

    The share is that of the rows before, so what a request holds has no influence on whether it is chosen; and whole
    requests are chosen, since the rows of one caller are alike. Not for several threads.
    """

    def __init__(self, rows_a_second: float = ROWS_A_SECOND, *, draw: Callable[[], float] = random.random) -> None:
        """Begin with all.

        Args:
            rows_a_second: About how many rows are chosen.
            draw: Draws from 0 to 1; by default from a source that every process seeds by itself.
        """
        self._most = rows_a_second * MEMORY_SECONDS
        self._draw = draw
        self._recent = 0.0  # rows of the last minute, each weighed by exp(-its age / MEMORY_SECONDS)
        self._at = 0.0

    def chooses(self, n_rows: int, at: float) -> bool:
        """Whether a request is chosen.

        Args:
            n_rows: Its rows.
            at: When it was answered, in seconds; where the clock was set back, no time has passed.
        """
        recent = self._recent * math.exp(-max(at - self._at, 0.0) / MEMORY_SECONDS)
        self._recent, self._at = recent + n_rows, at
        return recent <= self._most or self._draw() < self._most / recent
