"""One epoch of learning for several models, side by side in a few threads.

LightGBM, BLAS and scikit-learn each run on one thread, and the threads are spent across the models instead: on a busy
machine that is several times faster than four libraries each fighting for all cores, and it keeps results independent
of how many cores there are.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.domains.bonds.models.anomaly import RESIDUAL, AnomalyModel
from core.domains.bonds.models.spread import SpreadModel
from core.models.interface import Model, PanelLike


def train_all(models: Mapping[str, Model], panel: PanelLike | pd.DataFrame, seed: int, n_threads: int) -> None:
    """Let every model learn from a panel.

    The result does not depend on `n_threads`: each model draws from a seed of its own.

    Args:
        models: Models by name. An anomaly model takes its residuals from the spread model beside it, when both are to
            be trained the same way, instead of training a second one.
        panel: A panel none of them has learnt from.
        seed: Of everything drawn this epoch.
        n_threads: How many models may learn at a time.
    """
    seeds = {name: _seed_of(seed, name) for name in models}
    spread, anomaly = models.get("spread"), models.get("anomaly")
    jobs: dict[str, Callable[[], None]] = {name: _learning(model, panel, seeds[name]) for name, model in models.items()}
    if isinstance(spread, SpreadModel) and isinstance(anomaly, AnomalyModel) and _may_share(spread, anomaly):
        shared, watching = spread, anomaly

        def learn_both() -> None:
            watching.judge(panel)
            shared.update(panel, seed=seeds["spread"])
            watching.absorb(panel, seed=seeds["anomaly"], spread=shared)

        del jobs["anomaly"]
        jobs["spread"] = learn_both
    with threadpool_limits(1), ThreadPoolExecutor(max(n_threads, 1), thread_name_prefix="model") as pool:
        for future in [pool.submit(job) for job in jobs.values()]:
            future.result()


def _learning(model: Model, panel: PanelLike | pd.DataFrame, seed: int) -> Callable[[], None]:
    return lambda: model.update(panel, seed=seed)


def _may_share(spread: SpreadModel, anomaly: AnomalyModel) -> bool:
    return RESIDUAL in anomaly.detectors and spread.algorithm == anomaly.spread.algorithm


def _seed_of(seed: int, name: str) -> int:
    """Derive a model's own seed, so that adding a model changes no other."""
    return int(np.random.SeedSequence([seed, *name.encode()]).generate_state(1)[0])
