"""Time of a drift check against a stored profile.

    python benchmarks/bench_drift.py [--rows 1000000] [--columns 25] [--reference 100000] [--rounds 5]

The batch is in memory: reading its file takes longer than the check. Columns are continuous, rounded, whole, with
empty cells, and categories in turn. The times are the best of the rounds: by the clock, and of all processors together,
which a busy machine lengthens less.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from core.monitoring.data_profile import DataProfile
from core.monitoring.profile_check import check_profile
from core.monitoring.profiling import kinds_of, profile_columns, profile_of
from core.settings.policy import DriftPolicy

LEVELS = list("ABCDEFGH")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=25)
    parser.add_argument("--reference", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    reference = drawn(args.reference, args.columns, seed=1)
    start = time.perf_counter()
    kinds = kinds_of(reference)
    columns = profile_columns(reference, kinds)
    profile = profile_of(columns, features=tuple(kinds), target=None, group=None, held_out=None)
    content = profile.to_bytes()
    print(f"profile of {args.reference:,} rows: {len(content) / 1024:.0f} KiB in {time.perf_counter() - start:.2f} s")
    batch = drawn(args.rows, args.columns, seed=2)
    took, worked = [], []
    for _ in range(args.rounds):
        start, busy = time.perf_counter(), time.process_time()
        report = check_profile(DataProfile.from_bytes(content, "bench"), batch, DriftPolicy())
        took.append(time.perf_counter() - start)
        worked.append(time.process_time() - busy)
    print(
        f"check of {args.rows:,} rows x {args.columns} columns: {min(took):.3f} s, {min(worked):.3f} s of processors "
        f"({report.verdict})"
    )


def drawn(n: int, n_columns: int, *, seed: int) -> pd.DataFrame:
    """Draw columns of five kinds in turn."""
    rng = np.random.default_rng(seed)
    columns = {}
    for k in range(n_columns):
        values = rng.normal(size=n)
        if k % 5 == 1:
            values = values.round(1)
        elif k % 5 == 2:
            values = rng.poisson(3, n).astype(np.float64)
        elif k % 5 == 3:
            values[rng.random(n) < 0.05] = np.nan
        columns[f"x{k}"] = pd.Categorical.from_codes(rng.integers(0, 8, n), LEVELS) if k % 5 == 4 else values
    return pd.DataFrame(columns)


if __name__ == "__main__":
    main()
