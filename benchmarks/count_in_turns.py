"""Serve, and count the answered rows in turns: what counting costs within one process, on a machine that is busy.

    python benchmarks/count_in_turns.py FILE ARGUMENTS-OF-BONDX-SERVE…

Requests are handed to the counting thread in every other tenth of a second, at random which. The limits of the sampler
are halved, so that in its turns it counts as many as it would alone. `bench_live.py --in-turns` reads the file: by turn
whether it counted, the requests, the seconds, and the processor time of the answering thread and of the process.
"""

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from console.cli.main import main
from core.serving.live import tap as taps
from core.serving.live.sampler import REQUESTS_A_SECOND, ROWS_A_SECOND, RequestSampler

TURN_SECONDS = 0.1


class TurnMeter:
    """Decides whose turn it is, and writes what each turn took."""

    def __init__(self, file: Path) -> None:
        """Begin; the first turn has no beginning and is not written."""
        self._file = file.open("w", buffering=1)
        self._turn, self._n, self._is_counting = -1, 0, False
        self._at: tuple[float, float, float] | None = None

    def is_counting(self) -> bool:
        """Whether the request of now is counted."""
        now = time.monotonic()
        if (turn := int(now / TURN_SECONDS)) != self._turn:
            at = now, time.thread_time(), time.process_time()
            if self._at is not None:
                took = " ".join(f"{after - before:.6f}" for after, before in zip(at, self._at, strict=True))
                self._file.write(f"{int(self._is_counting)} {self._n} {took}\n")
            self._turn, self._at, self._n = turn, at, 0
            self._is_counting = random.random() < 0.5
        self._n += 1
        return self._is_counting


class TapInTurns(taps.LiveTap):
    """A tap that takes rows in its turns only."""

    meter: TurnMeter

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Halve the limits."""
        super().__init__(*arguments, **options)
        self._sampler = RequestSampler(ROWS_A_SECOND / 2, REQUESTS_A_SECOND / 2)

    def add(self, request_id: str, rows: Any, values: Sequence[Any]) -> None:
        """Take the rows of a request, if it is the turn of counting."""
        if self.meter.is_counting():
            super().add(request_id, rows, values)


if __name__ == "__main__":
    from core.serving.live import counter

    TapInTurns.meter = TurnMeter(Path(sys.argv[1]))
    counter.LiveTap = TapInTurns  # type: ignore[misc]
    sys.exit(main(sys.argv[2:]))
