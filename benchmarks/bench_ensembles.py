"""The weights of five members: SLSQP with the Jacobian, without it, and a grid over the simplex, in one run.

    python benchmarks/bench_ensembles.py [--rounds 200]

The goal is that of the design: weights of five members in at most 2 ms.
"""

import argparse
import os
import sys
from itertools import product

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.optimize import minimize
from timing import quantiles, timed

from core.models.ensembles.weights import MemberErrors, optimise_weights

MEMBERS, ROWS = 5, 1_000
DIVERSITY = 0.1
WEIGHTS_GOAL_MS = 2.0
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
    return int(reached > WEIGHTS_GOAL_MS)


if __name__ == "__main__":
    sys.exit(main())
