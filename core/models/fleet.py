"""One epoch of training for several models, side by side in a few threads.

LightGBM, BLAS and scikit-learn each run on one thread, and the threads are spread across the models instead: on a busy
machine that is several times faster than four libraries that each compete for all cores, and results do not depend
on the number of cores.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.models.interface import Model, PanelLike
from core.progress import SideBySide


def train_all(
    models: Mapping[str, Model], panel: PanelLike | pd.DataFrame, seed: int, n_threads: int
) -> dict[str, float]:
    """Update every model with a panel.

    The result does not depend on `n_threads`: each model draws from a seed of its own.

    Args:
        models: Models by name. A model that names another in `learns_with` learns after that model, in the same
            thread, instead of training its own copy.
        panel: A panel that is new to all of them.
        seed: The random seed of this epoch.
        n_threads: How many models may be trained in parallel.
    Returns:
        The seconds that each model took; of a model that learns after another, those of its own part.
    """
    seconds: dict[str, float] = {}

    def timed(name: str, job: Callable[[], None]) -> Callable[[], None]:
        def work() -> None:
            began = time.perf_counter()
            job()
            seconds[name] = time.perf_counter() - began - seconds.get(leaders[name] or "", 0.0)

        return work

    seeds = {name: _seed_of(seed, name) for name in models}
    jobs = {name: timed(name, partial(model.update, panel, seed=seeds[name])) for name, model in models.items()}
    leaders = {name: model.learns_with(models) for name, model in models.items()}
    for name, leader in leaders.items():
        if leader is not None and leaders[leader] is None:
            job = partial(models[name].update_with, models[leader], jobs[leader], panel, seed=seeds[name])
            jobs[leader] = timed(name, job)
            del jobs[name]
    under_way = SideBySide("the models", jobs)

    def run(name: str) -> None:
        jobs[name]()
        under_way.is_done(name)

    with threadpool_limits(1), ThreadPoolExecutor(max(n_threads, 1), thread_name_prefix="model") as pool:
        for future in [pool.submit(copy_context().run, run, name) for name in jobs]:  # which knows the executor
            future.result()
    return {name: seconds[name] for name in models}


def _seed_of(seed: int, name: str) -> int:
    """Derive a model's own seed, so that adding a model changes no other."""
    return int(np.random.SeedSequence([seed, *name.encode()]).generate_state(1)[0])
