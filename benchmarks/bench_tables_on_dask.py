"""A table that takes more memory to train on than a worker may use: on a local Dask cluster, and in memory.

    python benchmarks/bench_tables_on_dask.py [--rows 1500000] [--columns 20] [--trees 50] [--workers 4]

The same Parquet file is trained on in memory and by the cluster, in one run; rows a second and the error are of the
whole training. Memory is the peak that the system counts of each process, of the training without what it began with.
Dask ends and replaces a worker that passes its limit (`--limit-mb`), which the table counts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from core.actor import Actor, Origin
from core.executors.local_cluster import local_cluster
from core.settings import ModelSettings, Settings
from core.settings.executor import ExecutorSettings
from core.state import Workspace
from core.training.own_data import TrainRequest, train_on_file

ANA = Actor("ana", "bench", Origin.COMMAND_LINE)
GROUP = 50_000
MIB = 1 << 20


def write_table(file: Path, n_rows: int, n_columns: int) -> None:
    """Write a table whose target depends on three columns, a row group at a time."""
    rng = np.random.default_rng(1)
    names = [f"x{k}" for k in range(n_columns)]
    schema = pa.schema([(name, pa.float64()) for name in (*names, "price")])
    with pq.ParquetWriter(file, schema) as writer:
        for start in range(0, n_rows, GROUP):
            x = rng.normal(size=(min(GROUP, n_rows - start), n_columns))
            price = 2 * x[:, 0] - x[:, 1] * x[:, 2] + rng.normal(size=len(x))
            writer.write_table(pa.table([*x.T, price], schema=schema))


def peak(pid: int) -> float:
    """Return the most memory that a process has had, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def train(file: Path, block: str, trees: int) -> dict[str, float]:
    """Train in this process; return the error, the seconds and the peak memory."""
    executor = ExecutorSettings(**json.loads(block))
    models = {"price": ModelSettings(algorithm="lightgbm", parameters={"max_trees": trees})}
    before = psutil.Process().memory_info().rss / MIB
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(Path(folder) / "workspace", settings_text="")
        request = TrainRequest("price", file, target="price")
        found = train_on_file(workspace, request, Settings(models=models, executor=executor), actor=ANA)
    return {
        "rmse": found.version.metrics["rmse"],
        "seconds": sum(found.seconds.values()),
        "mib": peak(psutil.Process().pid) - before,
    }


def trained(file: Path, trees: int, block: dict[str, Any]) -> dict[str, float]:
    """Train in a process of its own."""
    command = [sys.executable, __file__, "--trees", str(trees), "--one", str(file), json.dumps(block)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    return found


def worker_processes() -> set[int]:
    """Return the processes of the workers of the cluster in this process."""
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if "spawn_main" in " ".join(child.cmdline())}


def main() -> None:
    """Train in both ways and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_500_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--limit-mb", type=int, default=700)
    parser.add_argument("--one", nargs=2)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(train(Path(args.one[0]), args.one[1], args.trees)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "own.parquet"
        write_table(file, args.rows, args.columns)
        n_cells = args.rows * (args.columns + 1)
        print(f"{args.rows:,} rows, {8 * n_cells / MIB:.0f} MiB of numbers; {args.limit_mb} MiB for each worker")
        here = trained(file, args.trees, {})
        with local_cluster(args.workers, memory_limit_mb=args.limit_mb) as block:
            before = worker_processes()
            dask = {"kind": "dask", "address": block.address, "workers": args.workers, "tables": "dask"}
            there = trained(file, args.trees, dask)
            workers = worker_processes()
            largest = max(map(peak, workers))
    print("where           rows/s   seconds   MiB here   MiB of the largest worker   workers ended   RMSE")
    for where, found in (("in memory", here), (f"{args.workers} workers", there)):
        of_workers = f"{largest:.0f}" if found is there else "-"
        ended = str(len(before - workers)) if found is there else "-"
        print(
            f"{where:12} {args.rows / found['seconds']:9,.0f} {found['seconds']:9.1f} {found['mib']:10.0f} "
            f"{of_workers:>27} {ended:>15} {found['rmse']:6.4f}"
        )
    print(
        f"ratios to in memory: rows/s {here['seconds'] / there['seconds']:.2f}, memory here "
        f"{there['mib'] / here['mib']:.2f}, memory of the largest worker {largest / here['mib']:.2f}"
    )


if __name__ == "__main__":
    main()
