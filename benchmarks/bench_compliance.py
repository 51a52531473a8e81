"""Time and memory of the compliance check of a trades file, and how well the detectors find what was injected.

    python benchmarks/bench_compliance.py [--trades 1000000] [--seed 7] [--format csv]

The trades are drawn into a temporary file first; then a process of its own reads and checks it, so that its peak of
memory is that of the check alone. Times are those of the processor: a busy machine does not lengthen them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from core.domains.etrm.compliance.check import check_trades
from core.domains.etrm.compliance.reading import read_trades
from core.domains.etrm.compliance.scoring import detection_scores
from core.domains.etrm.compliance.writing import write_compliance_table
from core.domains.etrm.data.frames import trades_frame, truth_frame
from core.domains.etrm.data.market import open_market
from core.domains.etrm.data.settings import ETRMDataConfig
from core.domains.etrm.data.trades import draw_blocks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trades", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measured(args.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"trades.{args.format}"
        seconds = timed(lambda: draw(path, args.trades, args.seed))
        print(f"drawn: {args.trades:,} trades, {path.stat().st_size / 1e6:,.0f} MB, {seconds:.1f} s of the processor")
        done = subprocess.run([sys.executable, __file__, "--measure", path], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    for name in ("read", "check", "write"):
        print(f"{name}: {found[name]:.1f} s of the processor")
    print(f"peak: {found['peak']:.0f} MiB, of which {found['libraries']:.0f} MiB are the libraries")
    for label in ("scores", "with marks"):
        print(label)
        for kind, (n_true, recall, precision) in found[label].items():
            print(f"  {kind:<14} {n_true:>7,} injected, recall {recall:.3f}, precision {precision:.3f}")


def draw(path: Path, n: int, seed: int) -> None:
    """Write trades block by block, and their truth beside them."""
    market = open_market(ETRMDataConfig(num_trades=n, random_seed=seed))
    truths, writer = [], None
    for block in draw_blocks(market):
        table = pa.Table.from_pandas(trades_frame(market, block), preserve_index=False)
        if writer is None:
            opener = pa.csv.CSVWriter if path.suffix == ".csv" else pa.parquet.ParquetWriter
            writer = opener(path, table.schema)
        writer.write_table(table)
        truths.append(truth_frame(block)[["injected_violation", "fair_price"]])
    writer.close()
    pd.concat(truths, ignore_index=True).to_parquet(path.with_suffix(".truth"))


def measured(path: Path) -> dict[str, object]:
    """Read, check and write, with the peak of memory before the truth is looked at."""
    found: dict[str, object] = {"libraries": peak()}
    start = time.process_time()
    trades = read_trades(path).trades
    found["read"] = time.process_time() - start
    start = time.process_time()
    check = check_trades(trades)
    found["check"] = time.process_time() - start
    found["write"] = timed(lambda: write_compliance_table(check, path.with_name("table.parquet")))
    found["peak"] = peak()
    truth = pd.read_parquet(path.with_suffix(".truth"))
    marked = check_trades(trades, marks=truth["fair_price"].to_numpy())
    for label, violations in (("scores", check.violations), ("with marks", marked.violations)):
        scores = detection_scores(np.asarray(violations), truth["injected_violation"])
        found[label] = {k: (s.n_true, s.recall, s.precision) for k, s in scores.items() if s.n_true}
    return found


def peak() -> float:
    """Return the most memory that this process has held, in MiB; `ru_maxrss` would count its parent's, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def timed(action) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


if __name__ == "__main__":
    main()
