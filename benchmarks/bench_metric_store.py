"""What recorded series cost: the space of a day, the time of a scrape and of a look at the last minutes.

    python benchmarks/bench_metric_store.py [SERIES] [HOURS]

A third of the series are constant, a third are counters, and a third change with every scrape.
"""

import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily

from core.telemetry.compaction import compact
from core.telemetry.metrics import MetricReader, MetricWriter
from core.telemetry.metrics.upkeep import keep_up

START = datetime(2026, 3, 2, tzinfo=UTC)
STEP = timedelta(seconds=15)
MODELS = 50


class Named(NamedTuple):
    """A matcher of a name."""

    value: str
    name: str = "__name__"
    op: str = "="

    def matches(self, value: str) -> bool:
        """Return whether it is the name."""
        return value == self.value


def families(n_series: int, scrape: int, draw: random.Random) -> Iterator[GaugeMetricFamily]:
    """One scrape."""
    for name in range(n_series // MODELS):
        family = GaugeMetricFamily(f"bondx_series_{name}", "A series.", labels=("model", "version"))
        for model in range(MODELS):
            kind = name % 3
            value = 1.0 if kind == 0 else float(scrape * (model + 1) // 4) if kind == 1 else draw.gauss(100, 5)
            family.add_metric((f"model_{model}", "3"), value)
        yield family


def main(n_series: int, hours: float) -> None:
    """Measure and print."""
    draw, n = random.Random(7), round(hours * 240)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "metrics.db"
        writer = MetricWriter(file, job="bondx-engine", instance="host")
        spent = 0.0
        for scrape in range(n):
            measured = list(families(n_series, scrape, draw))
            began = time.process_time()
            writer.record(START + scrape * STEP, measured)
            spent += time.process_time() - began
        print(
            f"a scrape of {n_series} series: {spent / n * 1000:.1f} ms of CPU, {spent / n / 15:.2%} of a core at 15 s"
        )
        end = START + n * STEP
        began = time.process_time()
        keep_up(file, round(end.timestamp() * 1000) + 4_500_000, 15)
        upkeep = time.process_time() - began
        print(f"repacking: {upkeep / hours:.2f} s of CPU an hour, {upkeep / hours / 3600:.3%} of a core")
        writer.close()
        compact(file)
        print(f"a day repacked: {file.stat().st_size / hours * 24 / 2**20:.1f} MiB")
        for scrape in range(n, n + 240):
            writer.record(START + scrape * STEP, families(n_series, scrape, draw))
        end = START + (n + 239) * STEP
        end_ms = round(end.timestamp() * 1000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        reader = MetricReader(file, lambda: end)
        for what in ("first", "next"):
            began = time.process_time()
            reader.select([Named("bondx_series_2")], end_ms - 300_000, end_ms)
            print(
                f"the {what} look at 5 minutes of {MODELS} series: {(time.process_time() - began) * 1000:.2f} ms of CPU"
            )
        for minutes in (5, 60):
            began = time.process_time()
            for rule in range(100):
                reader.select([Named(f"bondx_series_{rule % (n_series // MODELS)}")], end_ms - minutes * 60_000, end_ms)
            took = (time.process_time() - began) * 1000
            print(f"100 looks at {minutes} minutes of {MODELS} series each: {took:.1f} ms of CPU")
        began = time.process_time()
        reader.select([Named("bondx_series_2")], end_ms - round(hours * 3_600_000), end_ms)
        print(f"{hours:g} hours of {MODELS} series from the file: {(time.process_time() - began) * 1000:.0f} ms")
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"memory of the reader: at most {(after - before) / 1024:.0f} MiB more at the peak")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3_000, float(sys.argv[2]) if len(sys.argv) > 2 else 6.0)
