"""Stores of many predictions and many points of time series, filled as the product fills them."""

import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.settings.telemetry import PredictionRetention
from core.telemetry.chunk import to_us
from core.telemetry.histogram import Histogram
from core.telemetry.predictions import Arm, OutcomeRecord, PredictionRecord, PredictionWriter
from core.telemetry.schema import connect_to_write
from core.telemetry.writing import WriteConnection

MODELS = tuple(f"model_{number:02d}" for number in range(50))
SHOWN = ("resource.cpu_percent", "resource.ram_percent", "disk.used_bytes", "space.telemetry", "process.engine.cpu")
ROLLOUT = "ro-0001"
SPAN = timedelta(hours=24)
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
_PIECE = 50_000
_OUTCOME_SHARE = 0.2


def fill_predictions(file: Path, rows: int) -> datetime:
    """Fill a store with predictions of 24 hours, a fifth of them with outcomes, through its writer; return the end."""
    if file.exists():
        return NOW
    begin, numbers = time.perf_counter(), random.Random(1)
    latencies = [round(numbers.lognormvariate(0.7, 0.5), 3) for _ in range(4096)]
    step, start, clock = SPAN / rows, NOW - SPAN, [NOW - SPAN]
    keep = PredictionRetention(keep_rows=max(4 * rows, 12_000_000), keep_days=30)  # segments of 500,000 rows
    with PredictionWriter(
        file, clock=lambda: clock[0], commit_seconds=60, max_waiting=2 * _PIECE, retention=keep
    ) as writer:
        for first in range(0, rows, _PIECE):
            clock[0] = start + first * step
            for number in range(first, min(first + _PIECE, rows)):
                model, more = MODELS[number % 50], {}
                if number % 50 == 0:  # a rollout is active on one model
                    more = {
                        "rollout_id": ROLLOUT,
                        "share": 0.1,
                        "arm": Arm.CANDIDATE if number % 500 == 0 else Arm.STABLE,
                    }
                writer.add(
                    PredictionRecord(
                        f"request-{number}", start + number * step, model,
                        "1.2.0" if number % 500 == 0 else "1.1.0", latencies[number % 4096],
                        number % 499 == 0, 0.5, unit=number // 50 % 10_007, **more,
                    )
                )  # fmt: skip
            for number in range(first, min(first + _PIECE, rows), int(1 / _OUTCOME_SHARE)):
                writer.add_outcome(OutcomeRecord(f"request-{number}", clock[0], 0.4))
            writer.flush(120)
    print(f"filled {rows:,} predictions in {time.perf_counter() - begin:.0f} s", flush=True)
    return NOW


def fill_series(file: Path, rows: int, now: datetime) -> None:
    """Fill a store with as many points of 50 series: by the second for 12 hours, the rest by the minute before."""
    if file.exists():
        return
    begin, names = time.perf_counter(), (*(f"series.{number:02d}" for number in range(45)), *SHOWN)
    packed = Histogram.of(math.exp(number / 20) for number in range(60)).pack()
    end, n_seconds = to_us(now) // 60_000_000 * 60, rows * 2 // 5 // len(names)
    n_minutes = rows // len(names) - n_seconds
    connection = connect_to_write(file)
    for series, name in enumerate(names, 1):
        with connection.transaction():
            connection.execute("INSERT INTO series VALUES (?, ?)", (series, name))
            connection.executemany(
                "INSERT INTO minute VALUES (?, ?, 60, 120.0, 1.0, 3.0, ?)",
                ((series, end - 60 * back, packed) for back in range(n_minutes, 0, -1)),
            )
            connection.executemany(
                "INSERT INTO second VALUES (?, ?, 1, 2.0, 2.0, 2.0)",
                ((series, end - back) for back in range(n_seconds, 0, -1)),
            )
    connection.close()
    print(f"filled {rows:,} points in {time.perf_counter() - begin:.0f} s", flush=True)


SHOWN = (
    "resource.cpu_percent",
    "resource.ram_percent",
    "disk.used_bytes",
    "space.telemetry",
    "process.engine.rss_bytes",
)


class Holds:
    """How long the lock of a store's writers is held, each time."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self.cpu_ms: list[float] = []  # of the thread, which a busy machine hardly changes

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure every holding of the lock in this process."""
        alone = WriteConnection.alone

        @contextmanager
        def timed_alone(connection: WriteConnection) -> Iterator[None]:
            with alone(connection):
                begin, cpu = time.perf_counter(), time.thread_time()
                try:
                    yield
                finally:
                    self.ms.append((time.perf_counter() - begin) * 1000)
                    self.cpu_ms.append((time.thread_time() - cpu) * 1000)

        WriteConnection.alone = timed_alone  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            WriteConnection.alone = alone  # type: ignore[method-assign]
