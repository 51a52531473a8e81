"""Uniform draws in blocks: a document takes some twenty, and calls of NumPy would take longer than all else."""

from bisect import bisect_right
from collections.abc import Sequence

from core.domains.draws import stream

_BLOCK = 4096


class UniformDraws:
    """A stream of uniform numbers in [0, 1), the same for the same seed and name."""

    def __init__(self, seed: int, name: str) -> None:
        """Begin the stream."""
        self._rng = stream(seed, name)
        self._block: list[float] = []

    def next(self) -> float:
        """Draw the next number."""
        if not self._block:
            self._block = self._rng.random(_BLOCK).tolist()[::-1]
        return self._block.pop()

    def place(self, edges: Sequence[float]) -> int:
        """Draw a place by cumulated shares, the last of which is 1 but for rounding."""
        return min(bisect_right(edges, self.next()), len(edges) - 1)
