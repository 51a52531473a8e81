"""Ensembles: the weights of five members beside other ways to find them, and stacking of three learners.

    python benchmarks/bench_ensembles.py [--rounds 200]

The goals are those of the design: weights of five members in at most 2 ms; stacking of three learners (LightGBM, random
forest, linear) with five folds on 1,000 bonds in at most 3 s, its members trained on all rows included.
"""

import argparse
import os
import sys
from itertools import product

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits
from timing import quantiles, timed

from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import create
from core.models.ensembles.weights import MemberErrors, optimise_weights

MEMBERS, ROWS = 5, 1_000
DIVERSITY = 0.1
WEIGHTS_GOAL_MS = 2.0
STACKING_GOAL_SECONDS = 3.0
GRID_STEPS = 20


def objective(errors: MemberErrors, weights: "np.ndarray", diversity: float) -> float:
    """The objective of the optimiser, as its docstring has it."""
    scale = float(np.min(np.diag(errors.losses)))
    return float(weights @ errors.losses @ weights + diversity * scale * (weights @ errors.correlations @ weights))


def naive(found: "np.ndarray", diversity: float) -> "np.ndarray":
    """SciPy as it is usually called: the loss from the rows each time, and no Jacobian."""
    scale = float(np.min(np.mean(np.square(found), axis=0)))
    correlations = np.corrcoef(found.T)

    def loss(weights: "np.ndarray") -> float:
        return float(np.mean(np.square(found @ weights)) + diversity * scale * (weights @ correlations @ weights))

    constraint = {"type": "eq", "fun": lambda weights: weights.sum() - 1.0}
    start = np.full(MEMBERS, 1 / MEMBERS)
    answer = minimize(loss, start, method="SLSQP", bounds=[(0, 1)] * MEMBERS, constraints=constraint)
    return np.asarray(answer.x)


def grid(found: "np.ndarray", diversity: float) -> "np.ndarray":
    """Try every weight that is a multiple of a twentieth."""
    errors = MemberErrors.of(found)
    counts = np.array([c for c in product(range(GRID_STEPS + 1), repeat=MEMBERS - 1) if sum(c) <= GRID_STEPS])
    weights = np.column_stack((counts, GRID_STEPS - counts.sum(axis=1))) / GRID_STEPS
    scale = float(np.min(np.diag(errors.losses)))
    matrix = errors.losses + diversity * scale * errors.correlations
    return np.asarray(weights[np.argmin(np.einsum("ki,ij,kj->k", weights, matrix, weights))])


def stacking_seconds(rounds: int = 3) -> float:
    """Return the least seconds of a stack on 1,000 bonds; the least, since other programs only add to it."""
    panel = generate(PanelSettings(n_rows=1_000, seed=1))
    took = []
    for _ in range(rounds):
        model = create("spread", algorithm="stacking")
        with threadpool_limits(1):
            took.append(timed(lambda model=model: model.update(panel, seed=1)) / 1000)
    return min(took)


def main() -> int:
    """Print the durations and what each way reaches; return 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    found = rng.normal(size=(ROWS, MEMBERS)) * np.linspace(1.0, 1.5, MEMBERS) + rng.normal(size=(ROWS, 1))
    errors = MemberErrors.of(found)
    ways = {
        "ours, with the sums over rows": lambda: optimise_weights(MemberErrors.of(found), diversity=DIVERSITY).weights,
        "ours, sums known": lambda: optimise_weights(errors, diversity=DIVERSITY).weights,
        "SciPy without Jacobian": lambda: naive(found, DIVERSITY),
        f"grid of 1/{GRID_STEPS}": lambda: grid(found, DIVERSITY),
    }
    medians = {}
    for name, way in ways.items():
        way()
        rounds = args.rounds if "grid" not in name else 5
        figures = quantiles([timed(way) for _ in range(rounds)])
        medians[name] = figures["p50"]
        print(f"{name:32} p50 {figures['p50']:8.3f} ms  p99 {figures['p99']:8.3f} ms  "
              f"objective {objective(errors, way(), DIVERSITY):.9f}")  # fmt: skip
    reached = medians["ours, with the sums over rows"]
    print(f"goal: {WEIGHTS_GOAL_MS} ms; reached {reached} ms")
    seconds = stacking_seconds()
    print(f"stacking of three learners, five folds, 1,000 rows: {seconds:.2f} s (goal {STACKING_GOAL_SECONDS} s)")
    return int(reached > WEIGHTS_GOAL_MS or seconds > STACKING_GOAL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
