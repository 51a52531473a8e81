"""Predictions and telemetry at scale: a fixed rate of 50 models into the store, and every repeated query at 10 M rows.

    python benchmarks/bench_predictions_at_scale.py [--seconds 600] [--rate 8400] [--rows 10000000] [--folder DIR]
        [--figure ingest|serve|queries|upkeep]

`ingest` records 10,000 predictions a minute of each of 50 models, evenly spread, and reports how long after they came
they were committed. `serve` asks a real server for as many, 100 rows a request, for up to a minute. `queries` fills a
store through its own writer and reports the median of each query that a console, a scrape or an engine repeats.
`upkeep` measures how long the lock of the writers is held while expired rows are deleted and their space is given back.
With --folder, the filled stores are kept, and used again by the next run.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scale_queries import prediction_queries, series_queries
from scale_stores import MODELS, Holds, fill_predictions, fill_series
from timing import quantiles, timed

from core.settings.telemetry import PredictionRetention
from core.telemetry.predictions import PredictionRecord, PredictionWriter

FIGURES = ("ingest", "serve", "queries", "upkeep")
TICK_SECONDS = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="of the ingestion")
    parser.add_argument("--rate", type=int, default=8_400, help="predictions a second, of all models together")
    parser.add_argument("--rows", type=int, default=10_000_000, help="of each store that is queried")
    parser.add_argument("--folder", type=Path, help="keep the filled stores here, and use them again")
    parser.add_argument("--figure", action="append", choices=FIGURES, help="repeat for more (default: all)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found: dict[str, Any] = {}
        for figure in arguments.figure or FIGURES:
            if figure == "ingest":
                found[figure] = ingest(Path(temporary), arguments.seconds, arguments.rate)
            elif figure == "serve":
                from serve_at_rate import serve_at_rate

                found[figure] = serve_at_rate(Path(temporary), min(arguments.seconds, 60), arguments.rate)
            elif figure == "queries":
                found[figure] = queries(folder, arguments.rows)
            else:
                found[figure] = upkeep(Path(temporary), min(arguments.rows, 2_000_000))
        print(json.dumps(found | {"load average": os.getloadavg()}, indent=2))


class Lateness:
    """Watches a writer: how long each second's records took until they were committed."""

    def __init__(self, writer: PredictionWriter) -> None:
        self._writer = writer
        self._due: list[tuple[float, int]] = []  # when the records up to a number were all added
        self._is_over = threading.Event()
        self.late: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def added(self, n: int) -> None:
        """Note that so many records were added so far."""
        self._due.append((time.perf_counter(), n))

    def end(self) -> None:
        """Wait for the last records."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not (self._is_over.is_set() and not self._due):
            health = self._writer.health()
            n_done = health.n_stored + health.n_dropped
            while self._due and self._due[0][1] <= n_done:
                self.late.append((time.perf_counter() - self._due.pop(0)[0]) * 1000)
            time.sleep(0.005)


def ingest(folder: Path, seconds: float, rate: int) -> dict[str, Any]:
    """Record at a fixed rate, whatever the writer does, and report how late each piece of it was committed."""
    numbers = random.Random(1)
    latencies = [round(numbers.lognormvariate(0.7, 0.5), 3) for _ in range(4096)]
    writer = PredictionWriter(folder / "ingest.db")
    lateness, begin, cpu, n = Lateness(writer), time.perf_counter(), time.process_time(), 0
    while (elapsed := time.perf_counter() - begin) < seconds:
        due = int(rate * elapsed)
        at = datetime.now(UTC)
        for number in range(n, due):
            writer.add(
                PredictionRecord(
                    f"request-{number}", at, MODELS[number % len(MODELS)], "1.1.0", latencies[number % 4096],
                    number % 500 == 0, 0.5, unit=number % 10_000,
                )
            )  # fmt: skip
        if due > n:
            lateness.added(due)
        n = due
        time.sleep(TICK_SECONDS)
    lateness.end()
    used, health = time.process_time() - cpu, writer.health()
    writer.close()
    return {
        "predictions": n,
        "a second": round(n / seconds),
        "dropped": health.n_dropped,
        "committed after ms": quantiles(lateness.late) | {"max": round(max(lateness.late), 1)},
        "later than 2 s": sum(late > 2000 for late in lateness.late),
        "CPU % of a core": round(100 * used / seconds, 1),
    }


def queries(folder: Path, rows: int) -> dict[str, Any]:
    """Measure each repeated query on stores of many rows."""
    predictions, series = folder / f"predictions-{rows}.db", folder / f"telemetry-{rows}.db"
    now = fill_predictions(predictions, rows)
    fill_series(series, rows, now)
    measured = [*prediction_queries(predictions, now), *series_queries(series, now)]
    return {name: medians(ask) for name, ask in measured}


def medians(ask: Callable[[], object], *, n: int = 5) -> dict[str, float]:
    """Return the first and the median duration of a query, and the median of its CPU time, ms."""
    first, took, used = timed(ask), [], []
    for _ in range(n):
        cpu = time.process_time()
        took.append(timed(ask))
        used.append((time.process_time() - cpu) * 1000)
    return {
        "first ms": round(first, 1),
        "ms": round(statistics.median(took), 2),
        "CPU ms": round(statistics.median(used), 2),
    }


def upkeep(folder: Path, rows: int) -> dict[str, Any]:
    """Fill a store, let most of it expire, and report how long the lock of its writers is held, by the work done."""
    file = folder / "upkeep.db"
    now = fill_predictions(file, rows)
    later = now + timedelta(days=2)
    holds = Holds()
    kept = PredictionRetention(keep_days=1)
    with holds.measured(), PredictionWriter(file, clock=lambda: later, commit_seconds=0.05, retention=kept) as writer:
        for number in range(120):
            if number == 1:  # a segment ends when the next begins: now it is old, too
                later += timedelta(days=2)
            for row in range(400):
                at = later + timedelta(milliseconds=number * 400 + row)
                writer.add(PredictionRecord(f"late-{number}-{row}", at, MODELS[row % 50], "1.1.0", 2.0))
            writer.flush(120)
    found = {"the writers' lock was held ms": holds.ms, "of these CPU ms": holds.cpu_ms}
    return {name: quantiles(ms) | {"max": round(max(ms), 1)} for name, ms in found.items()}


if __name__ == "__main__":
    main()
