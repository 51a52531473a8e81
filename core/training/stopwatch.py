"""How long each part of a training takes; for people and dashboards, never for a reproducible report."""

import time


class Stopwatch:
    """Measures parts that follow each other.

    Attributes:
        seconds: Of each part so far, in order.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        """End a part; the next begins."""
        now = time.perf_counter()
        self.seconds[part] = round(now - self._last, 4)
        self._last = now
