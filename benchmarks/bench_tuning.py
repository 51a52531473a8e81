"""Tuning: trials a minute on one and on two cores, beside Optuna with scikit-learn on the same rows and folds.

    python benchmarks/bench_tuning.py [--rows 1000] [--trials 16]

Every trial trains boosted trees on five folds of whole issuers of the downgrade model and scores the held-out fold by
log loss. Ours trains LightGBM through the model of the session, its columns prepared anew in each fold; the peer is
scikit-learn's HistGradientBoostingClassifier on a matrix that is prepared once, its trials by Optuna's TPE.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from threadpoolctl import threadpool_limits

from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import create
from core.executors.threads import ThreadExecutor
from core.executors.work import Work
from core.models.learners.samples import group_folds
from core.models.scores import row_losses
from core.models.supervised import SupervisedModel
from core.models.tuning.ranges import number_range
from core.models.tuning.search import Search, SearchPlan, scored
from core.models.tuning.trial import best_of

N_FOLDS = 5
RANGES = {
    "learning_rate": number_range("learning_rate", 0.01, 0.3, is_log=True),
    "num_leaves": number_range("num_leaves", 3, 31, is_log=False),
}


def ours(rows, folds, n_trials: int, n_threads: int) -> tuple[float, float]:
    """Return seconds, and the least loss."""

    def evaluate(parameters, fold: int) -> float:
        model = create("downgrade", algorithm="lightgbm", settings=parameters)
        assert isinstance(model, SupervisedModel)
        model.update(rows[~folds[fold]], seed=1)
        judged = rows[folds[fold]]
        return float(model.row_losses(model.target(judged), model.score(judged)).mean())

    work = Work(title="trials", here=lambda task: scored(evaluate, *task))
    search = Search(SearchPlan("bayesian", RANGES, {}, n_trials - 1, prunes=False, seed=1))
    trials = []
    begin = time.perf_counter()
    with threadpool_limits(1):
        while not search.is_done(trials):
            sizes = [int(fold.sum()) for fold in folds]
            trials += search.run_batch(trials, partial(ThreadExecutor(n_threads).map, work), fold_rows=sizes)
    best = best_of(trials)
    assert best is not None
    assert best.loss is not None
    return time.perf_counter() - begin, best.loss


def peer(rows, folds, n_trials: int, n_jobs: int) -> tuple[float, float]:
    """The same with Optuna and scikit-learn."""
    import optuna
    from sklearn.ensemble import HistGradientBoostingClassifier

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    model = create("downgrade", algorithm="lightgbm")
    assert isinstance(model, SupervisedModel)
    model.update(rows.head(200), seed=1)  # for its columns
    matrix, target = model.matrices(rows).trees, model.target(rows)

    def objective(trial: "optuna.Trial") -> float:
        settings = {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "max_leaf_nodes": trial.suggest_int("num_leaves", 3, 31),
        }
        losses = []
        for fold in folds:
            learner = HistGradientBoostingClassifier(**settings, early_stopping=False, random_state=1)
            learner.fit(matrix[~fold], target[~fold].astype(int))
            losses.append(row_losses(target[fold], learner.predict_proba(matrix[fold])))
        return float(np.concatenate(losses).mean())

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
    begin = time.perf_counter()
    with threadpool_limits(1):
        study.optimize(objective, n_trials=n_trials, n_jobs=n_jobs)
    return time.perf_counter() - begin, float(study.best_value)


def main() -> int:
    """Print trials a minute."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--trials", type=int, default=16)
    args = parser.parse_args()
    frame = generate(PanelSettings(n_rows=args.rows, seed=1)).frame
    rows = frame.drop_duplicates(["issuer_id", "as_of_date"]).reset_index(drop=True)
    folds = group_folds(rows["issuer_id"].factorize()[0].astype(np.int64), N_FOLDS, seed=1)
    print(f"{len(rows)} rows, {args.trials} trials of {N_FOLDS} folds; load {os.getloadavg()[0]:.1f}")
    ways: dict[str, Callable[..., tuple[float, float]]] = {"bondx, LightGBM": ours, "Optuna, scikit-learn": peer}
    for n_cores in (1, 2):
        for name, way in ways.items():
            seconds, loss = way(rows, folds, args.trials, n_cores)
            print(f"{name:22} {n_cores} core{'s' * (n_cores > 1)}: {60 * args.trials / seconds:7.1f} trials a minute, "
                  f"least loss {loss:.4f}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
