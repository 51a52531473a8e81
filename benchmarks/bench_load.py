"""Time and memory of loading a large model: checked, compiled and warm, in a process of its own.

    python benchmarks/bench_load.py [--mb 500]

The model is a forest of whole binary trees, written as a learner writes it. Prints one JSON object: the size of its
files, the seconds, and the peak of the process's memory, beside what the process takes before. The goal for 500 MB is
5 s and 1.5 GiB.
"""

import argparse
import copy
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

TREE_DEPTH = 18  # 2**19 - 1 nodes of 72 bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=500, help="size of the model")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load is not None:
        print(json.dumps(measure(arguments.load)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_forest(Path(folder), arguments.mb)
        subprocess.run([sys.executable, __file__, "--load", folder], check=True)


def write_forest(folder: Path, mb: float) -> None:
    """Write a model of about this size."""
    from core.domains.bonds.data import PanelSettings, generate
    from core.domains.catalogue import create

    model: Any = create("spread", algorithm="random_forest", settings={"n_estimators": 1})
    model.update(generate(PanelSettings(n_rows=300, seed=1)), seed=1)
    forest = model.learners["random_forest"].fitted.estimator
    n_trees = max(1, round(mb * 1e6 / (72 * 2 ** (TREE_DEPTH + 1))))
    forest.estimators_ = [whole_tree(forest.estimators_[0], number) for number in range(n_trees)]
    forest.n_estimators = n_trees
    model.save(folder)


def whole_tree(tree: Any, number: int) -> Any:
    """Return a whole binary tree in the place of another; no two are the same."""
    from sklearn.tree._tree import Tree

    n_nodes, n_splits = 2 ** (TREE_DEPTH + 1) - 1, 2**TREE_DEPTH - 1
    at = np.arange(n_nodes)
    splits = at < n_splits
    nodes = np.zeros(n_nodes, tree.tree_.__getstate__()["nodes"].dtype)
    nodes["left_child"] = np.where(splits, 2 * at + 1, -1)
    nodes["right_child"] = np.where(splits, 2 * at + 2, -1)
    nodes["feature"] = np.where(splits, at % tree.tree_.n_features, -2)
    nodes["threshold"] = np.where(splits, np.sin(at + number), -2.0)
    nodes["n_node_samples"], nodes["weighted_n_node_samples"] = 1, 1.0
    values = (0.01 * np.cos(at + number)).reshape(n_nodes, 1, 1)
    grown = Tree(tree.tree_.n_features, np.ones(1, dtype=np.intp), 1)
    grown.__setstate__({"nodes": nodes, "values": values, "node_count": n_nodes, "max_depth": TREE_DEPTH})
    found = copy.copy(tree)
    found.tree_ = grown
    return found


def measure(folder: Path) -> dict[str, float]:
    """Load a model as a server does."""
    import sklearn.ensemble  # noqa: F401 - before the clock runs: a server has it for every model

    from core.serving.scoring.warming import warm_scorer

    before, begin, computed = peak_gib(), time.perf_counter(), time.process_time()
    warm_scorer(folder)
    return {
        "model_mb": round(sum(file.stat().st_size for file in folder.iterdir()) / 1e6, 1),
        "load_seconds": round(time.perf_counter() - begin, 2),
        "load_cpu_seconds": round(time.process_time() - computed, 2),
        "before_gib": round(before, 2),
        "peak_gib": round(peak_gib(), 2),
    }


def peak_gib() -> float:
    """Return the most memory that this process has held at a time."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / (1 << 20)


if __name__ == "__main__":
    main()
