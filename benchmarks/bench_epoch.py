"""Time of an epoch of four models, compared with plain scikit-learn for the same task.

    python benchmarks/bench_epoch.py [--rows 1000,100000] [--epochs 12]

The task of an epoch is to train on a fresh panel on top of earlier panels. We update the four models in parallel
threads. Plain scikit-learn cannot update trees, so it is used in the common way: `GradientBoosting` estimators are
refitted on the epoch's panel one after the other (100 trees of depth 3, and an isolation forest of 100 trees, with
defaults). `HistGradientBoosting`, scikit-learn's faster alternative, is shown, too. Times are medians; all runs in this
process.

The last lines show a whole epoch of a session by stage: draw, gates, learn (with validation), checkpoint.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import numpy as np
import pandas as pd
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
)
from sklearn.preprocessing import OrdinalEncoder

from core.domains.bonds.data import BondPanel, PanelSettings, generate
from core.domains.bonds.data.columns import names
from core.domains.bonds.domain import MODEL_NAMES
from core.domains.catalogue import create
from core.models import train_all
from core.settings import TrainingSettings
from core.training.session_work import SessionWork

GOALS = {1_000: 0.5, 100_000: 6.0}
RATIO_GOAL = 4.0
MACRO = 5


def plain(panel: BondPanel, regressor: Callable[[], object], classifier: Callable[[], object]) -> None:
    """Fit four scikit-learn estimators on a panel's features, with the usual preparation."""
    bonds = panel.bonds
    features = bonds[list(names(role="feature"))]
    categories = features.select_dtypes(include=["category", "object", "string"]).columns
    table = features.drop(columns=categories).astype(np.float64)
    table[list(categories)] = OrdinalEncoder(encoded_missing_value=-1).fit_transform(features[categories].astype(str))
    table = table.fillna(table.median())
    regressor().fit(table, np.arcsinh(bonds["spread_bps"] / 10))
    one_a_date = ~bonds.duplicated(["issuer_id", "as_of_date"])
    classifier().fit(table[one_a_date], bonds["downgrade_12m"][one_a_date])
    classifier().fit(table, bonds["liquidity_shock_1m"])
    IsolationForest(n_estimators=100, random_state=0).fit(pd.concat([table, bonds["spread_bps"]], axis=1))


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return the wall and CPU seconds of a function."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def stages(rows: int, n_epochs: int) -> dict[str, float]:
    """Return median seconds of a session's epoch (wall, CPU, each stage), without the first epoch and its imports."""
    spent: list[dict[str, float]] = []
    with TemporaryDirectory() as folder:
        work = SessionWork(msgspec.structs.replace(TrainingSettings(), dataset_size=rows), Path(folder))
        for number in range(1, n_epochs + 1):
            wall, cpu = time.perf_counter(), time.process_time()
            done = work.run_epoch(number)
            whole, processor = time.perf_counter() - wall, time.process_time() - cpu
            spent.append({"whole": whole, "processor": processor, **done.stage_seconds})
    later = spent[1:] or spent
    return {name: median(epoch[name] for epoch in later) for name in later[0]}


def main() -> int:
    """Print the table; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="1000,100000")
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    n_threads = os.cpu_count() or 1
    peers = {
        "GradientBoosting": (GradientBoostingRegressor, GradientBoostingClassifier),
        "HistGradientBoosting": (HistGradientBoostingRegressor, HistGradientBoostingClassifier),
    }
    plain(generate(PanelSettings(n_rows=200)), *peers["HistGradientBoosting"])  # imports
    is_missed = False
    for rows in map(int, args.rows.split(",")):
        models = {name: create(name) for name in MODEL_NAMES}
        panels = [generate(PanelSettings(n_rows=rows, seed=100 + k, macro_seed=MACRO)) for k in range(args.epochs)]
        spent = [timed(partial(train_all, models, panel, k, n_threads)) for k, panel in enumerate(panels)]
        later = spent[1:] or spent
        ours, ours_cpu = median(wall for wall, _ in later), median(cpu for _, cpu in later)
        goal = GOALS.get(rows)
        is_missed |= goal is not None and ours > goal
        print(
            f"{rows:,} bonds: an epoch of four models {ours:.2f} s on {n_threads} threads "
            f"({ours_cpu:.2f} s of CPU; goal {goal or '-'} s); "
            f"the first {spent[0][0]:.2f} s, the last {spent[-1][0]:.2f} s"
        )
        for peer, kinds in peers.items():
            wall, cpu = timed(partial(plain, panels[-1], *kinds))
            print(f"    plain {peer:22}{wall:8.2f} s ({cpu:.2f} s of CPU): {wall / ours:5.1f} x ours", flush=True)
            if peer == "GradientBoosting":
                is_missed |= wall / ours < RATIO_GOAL
        whole = stages(rows, args.epochs)
        is_missed |= goal is not None and whole["whole"] > goal
        print("    a session's epoch: " + ", ".join(f"{name} {seconds:.3f} s" for name, seconds in whole.items()))
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
