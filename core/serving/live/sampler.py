"""Which requests are counted where more rows are answered than tell anything new."""

import random
from collections.abc import Callable

ROWS_A_SECOND = 1_000
"""Rows of a version that are counted in a second, by each process.

Counting all of a hundred thousand rows a second took a quarter of its time and more (`benchmarks/bench_live.py`).
A move of a third of a standard deviation is found from a thousand rows, so these find it as soon as a minute is over.
"""


class RequestSampler:
    """Chooses whole requests at random, so that about so many rows a second are chosen.

    The share is that of the second before, so what a request holds has no influence on whether it is chosen; and whole
    requests are chosen, since the rows of one caller are alike. Not for several threads.
    """

    def __init__(self, rows_a_second: float = ROWS_A_SECOND, *, draw: Callable[[], float] = random.random) -> None:
        """Begin with all.

        Args:
            rows_a_second: About how many rows are chosen.
            draw: Draws from 0 to 1; by default from a source that every process seeds by itself.
        """
        self._rows_a_second = rows_a_second
        self._draw = draw
        self._share = 1.0
        self._began = 0.0
        self._n = 0

    def chooses(self, n_rows: int, at: float) -> bool:
        """Whether a request is chosen.

        Args:
            n_rows: Its rows.
            at: When it was answered, in seconds; a clock that was set back begins anew.
        """
        passed = at - self._began
        if not 0.0 <= passed < 1.0:
            expected = self._rows_a_second * max(passed, 1.0)
            self._share = min(1.0, expected / self._n) if self._n else 1.0
            self._began, self._n = at, 0
        self._n += n_rows
        return self._share >= 1.0 or self._draw() < self._share
