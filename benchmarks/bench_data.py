"""Time to generate, check and write a bond panel, by number of rows.

    python benchmarks/bench_data.py [--rows 150,1000,10000,100000] [--runs 5]

Medians of several runs with different seeds. The first panel of a process also fits the label levels, and is timed
separately.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from core.domains.bonds.checks.check_set import BOND_CHECKS
from core.domains.bonds.data import BondPanel, PanelSettings, generate, read_panel, write_panel
from core.quality import assess


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="150,1000,10000,100000")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    print(f"first panel of the process, 150 rows: {1e3 * timed(lambda: panel(150, 0)):.0f} ms")
    print(f"{'rows':>8} {'generate':>10} {'assess':>10} {'write 3':>10} {'parquet':>10} {'read':>10}   ms")
    for n_rows in map(int, args.rows.split(",")):
        panels = [panel(n_rows, seed) for seed in range(args.runs)]
        figures = (
            median(timed(lambda n=n_rows, s=s: panel(n, s)) for s in range(100, 100 + args.runs)),
            median(timed(lambda p=p: assess(p.bonds, BOND_CHECKS)) for p in panels),
            median(written(p, ("parquet", "csv", "jsonl"))[0] for p in panels),
            *(median(column) for column in zip(*(written(p, ("parquet",)) for p in panels), strict=True)),
        )
        print(f"{n_rows:>8} " + " ".join(f"{1e3 * seconds:>10.1f}" for seconds in figures))


def panel(n_rows: int, seed: int) -> BondPanel:
    return generate(PanelSettings(n_rows=n_rows, seed=seed))


def written(bonds: BondPanel, formats: tuple[str, ...]) -> tuple[float, float]:
    """Time writing a panel and reading it back."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "panel"
        return timed(lambda: write_panel(bonds, target, formats=formats)), timed(lambda: read_panel(target))


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
