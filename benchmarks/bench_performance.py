"""Time of a look at the performance of a version, and of every metric of it.

    python benchmarks/bench_performance.py [--outcomes 1000000] [--kind event]

Answers and outcomes of eight days are stored through the product's writer, then read by the watcher, batch by batch.
The first look reads all of them; a later look reads only what is new. The report has every metric for the whole life,
the last week, day and hour, three columns of slices, and the reliability curve.
"""

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from core.losses import AnswerForm, AnswerKind
from core.monitoring.performance.recorded_slices import RecordedColumn, code_of_row
from core.monitoring.performance.report import report_of
from core.monitoring.performance.state import PerformanceState
from core.monitoring.performance.watch import OutcomeFeed, catch_up
from core.settings.telemetry import PredictionRetention
from core.telemetry.predictions import OutcomeRecord, PredictionRecord, PredictionWriter

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SPAN = timedelta(days=8)
PIECE = 50_000
COLUMNS = tuple(RecordedColumn(name, tuple("ABCDEFGH")) for name in ("region", "sector", "rating"))
FORMS = {"event": AnswerForm(AnswerKind.PROBABILITIES, ("no", "yes")), "number": AnswerForm(AnswerKind.NUMBER)}
ROUNDS = 20
PATIENCE_SECONDS = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outcomes", type=int, default=1_000_000)
    parser.add_argument("--kind", choices=sorted(FORMS), default="event")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.db"
        fill(file, args.outcomes, args.kind)
        state, feed = PerformanceState(COLUMNS), OutcomeFeed(file)
        begin = time.perf_counter()
        catch_up(state, feed, "bench", "1.0.0", None, NOW)
        while state.is_behind:
            catch_up(state, feed, "bench", "1.0.0", None, NOW)
        print(f"first look: {state.n_outcomes:,} outcomes in {time.perf_counter() - begin:.1f} s")
        content = state.to_bytes()
        looks, reports = [], []
        for number in range(ROUNDS):
            begin = time.perf_counter()
            known = PerformanceState.from_bytes(content)
            catch_up(known, feed, "bench", "1.0.0", None, NOW + timedelta(seconds=number))
            known.to_bytes()
            looks.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            report = report_of(known, None, NOW)
            reports.append(time.perf_counter() - begin)
        feed.close()
    print(f"look with nothing new: {1000 * min(looks):.1f} ms, state of {len(content) / 1024:.0f} KiB")
    print(f"report of {len(report.metrics)} metrics and {len(report.slices)} slices: {1000 * min(reports):.1f} ms, "
          f"median {1000 * median(reports):.1f} ms")  # fmt: skip


def median(values: list[float]) -> float:
    """Return the middle value."""
    return sorted(values)[len(values) // 2]


def fill(file: Path, n: int, kind: str) -> None:
    """Store answers with their outcomes."""
    rng, begin = np.random.default_rng(1), time.perf_counter()
    clock = [NOW - SPAN]
    keep = PredictionRetention(keep_rows=4 * n, keep_days=30)
    levels = np.array(list("ABCDEFGH"))
    with PredictionWriter(file, clock=lambda: clock[0], max_waiting=2 * PIECE, retention=keep) as writer:
        for first in range(0, n, PIECE):
            size = min(PIECE, n - first)
            clock[0] = NOW - SPAN + SPAN * (first / n)
            answers = rng.beta(1, 4, size) if kind == "event" else rng.normal(100, 10, size)
            came = rng.random(size) < answers if kind == "event" else answers + rng.normal(size=size)
            rows = levels[rng.integers(0, 8, (size, 3))]
            codes = {tuple(row): code_of_row(COLUMNS, dict(zip(("region", "sector", "rating"), row, strict=True)))
                     for row in np.unique(rows, axis=0)}  # fmt: skip
            for i in range(size):
                at = NOW - SPAN + SPAN * ((first + i) / n)
                request = f"r{first + i}"
                writer.add(
                    PredictionRecord(request, at, "bench", "1.0.0", 1.0, value=float(answers[i]), form=FORMS[kind],
                                     slices=codes[tuple(rows[i])])
                )  # fmt: skip
                writer.add_outcome(OutcomeRecord(request, at, actual=float(came[i])))
            writer.flush(PATIENCE_SECONDS)
    print(f"stored {n:,} answers and outcomes in {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
