"""Explanations: contributions against the library's own, a sample against all rows, forests, and one row.

Goals: contributions of 10,000 rows x 20 columns cost at most 1.05 x LightGBM's own; those of a sample of 500 rows cost
at most a twentieth of those of all rows. Against a background, the floor is woodelf-explainer (pip install
woodelf-explainer), where it is installed.

    python benchmarks/bench_explain.py
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from core.explain.leaf_games import against_background, path_dependent
from core.explain.plain_trees import trees_of_lightgbm, trees_of_sklearn

if TYPE_CHECKING:
    import lightgbm as lgb

N_ROWS, N_COLUMNS = 10_000, 20
SAMPLE = 500


def timed(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the best of some runs, in seconds of this process's CPU: the machine may be busy."""
    found = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return min(found)


def beside_woodelf(booster: "lgb.Booster", rows: np.ndarray, background: np.ndarray, seconds: float) -> None:
    """Print what the floor takes for the same contributions, and how far ours are from them."""
    try:
        from woodelf.explainer import WoodelfExplainer
    except ImportError:
        print("woodelf-explainer is not installed")
        return
    import pandas as pd

    columns = booster.feature_name()
    explainer = WoodelfExplainer(booster, pd.DataFrame(background, columns=columns))
    asked = pd.DataFrame(rows, columns=columns)

    def floor() -> np.ndarray:
        return np.asarray(explainer.shap_values(asked, verbose=False))

    trees, players = trees_of_lightgbm(booster), range(N_COLUMNS)
    ours = against_background(trees, rows, background, players, N_COLUMNS)
    apart = float(np.abs(floor() - np.asarray(ours).reshape(len(rows), -1)[:, :N_COLUMNS]).max())
    of_floor = timed(floor)
    print(f"woodelf-explainer: {of_floor:.2f} s; ours takes {seconds / of_floor:.2f} x that, at most {apart:.1e} apart")


def main() -> None:
    import lightgbm as lgb

    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(N_ROWS, N_COLUMNS))
    target = matrix[:, 0] * 2 + matrix[:, 1] * matrix[:, 2] + np.sin(matrix[:, 3]) + rng.normal(size=N_ROWS) * 0.1
    booster = lgb.train({"num_leaves": 15, "verbosity": -1, "num_threads": 1}, lgb.Dataset(matrix, target), 200)

    def own(rows: int = N_ROWS) -> np.ndarray:
        return np.asarray(booster.predict(matrix[:rows], pred_contrib=True, num_threads=1))

    def as_explained() -> np.ndarray:
        found, out = own(), np.zeros((N_ROWS, N_COLUMNS))
        for column in range(N_COLUMNS):
            out[:, column] += found[:, column]
        return out

    whole, ours = timed(own), timed(as_explained)
    print(f"LightGBM, {N_ROWS:,} x {N_COLUMNS}: its own {whole:.2f} s, explained {ours:.2f} s: {ours / whole:.3f} x")
    chosen = np.sort(rng.permutation(N_ROWS)[:SAMPLE])
    part = timed(lambda: booster.predict(matrix[chosen], pred_contrib=True, num_threads=1))
    print(f"a sample of {SAMPLE} costs {part:.3f} s: {whole / part:.0f} x cheaper than all rows")
    trees, players, background = trees_of_lightgbm(booster), range(N_COLUMNS), matrix[:100]
    plain = timed(lambda: path_dependent(trees, matrix[chosen], players, N_COLUMNS), 1)
    print(f"our path-dependent algorithm on the same {SAMPLE} rows: {plain:.2f} s")
    against = timed(lambda: against_background(trees, matrix[chosen], background, players, N_COLUMNS), 1)
    print(f"against a background of 100 rows: {against:.2f} s")
    beside_woodelf(booster, matrix[chosen], background, against)
    forest = RandomForestRegressor(n_estimators=100, max_depth=10, min_samples_leaf=3, random_state=0, n_jobs=1)
    forest.fit(matrix[:2_000], target[:2_000])
    plain_forest = trees_of_sklearn(forest)
    n_leaves = sum(int((tree.left < 0).sum()) for tree in plain_forest.trees)
    of_forest = timed(lambda: path_dependent(plain_forest, matrix[chosen], players, N_COLUMNS), 1)
    one = timed(lambda: path_dependent(plain_forest, matrix[:1], players, N_COLUMNS), 1)
    print(f"a forest of 100 trees, {n_leaves:,} leaves: {SAMPLE} rows {of_forest:.2f} s, one row {one:.2f} s")


if __name__ == "__main__":
    main()
