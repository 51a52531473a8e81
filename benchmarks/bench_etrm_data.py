"""Time, memory and bytes of a data set of energy trading, written to files; and the figures of its prices.

    python benchmarks/bench_etrm_data.py [--trades 1000,100000,1000000]
    python benchmarks/bench_etrm_data.py --statistics [--paths 40]

Each size is written by a process of its own, so that its peak memory is its own. With `--statistics`, ten years are
simulated for each path, and the table of docs/etrm-data.md is printed.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from core.domains.etrm.data import ETRMDataConfig, write_data_set
from core.domains.etrm.data.price_statistics import price_statistics, table_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trades", default="1000,100000,1000000")
    parser.add_argument("--statistics", action="store_true")
    parser.add_argument("--paths", type=int, default=40)
    args = parser.parse_args()
    if args.statistics:
        print(table_of(price_statistics(range(args.paths))))
        return
    print(f"{'trades':>9} {'seconds':>8} {'CPU':>8} {'peak MiB':>9} {'MB written':>11}")
    for n_trades in map(int, args.trades.split(",")):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, cpu, peak, written = pool.apply(measure, (n_trades,))
        print(f"{n_trades:>9} {seconds:>8.1f} {cpu:>8.1f} {peak:>9.0f} {written:>11.0f}", flush=True)


def measure(n_trades: int) -> tuple[float, float, float, float]:
    """Write one data set, and return wall seconds, CPU seconds, peak memory in MiB and megabytes written."""
    with tempfile.TemporaryDirectory() as folder:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        metadata = write_data_set(ETRMDataConfig(num_trades=n_trades), Path(folder) / "set")
        seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    written = sum(record["n_bytes"] for record in metadata["files"].values()) / 1e6
    return seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, written


if __name__ == "__main__":
    main()
