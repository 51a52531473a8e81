"""Experiments: the runs that share the tag `experiment_name`, and the best of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from core.errors import UsageError
from core.escape import is_shown_as_is, shown
from core.tracking.run import Run, RunStatus

EXPERIMENT = "experiment_name"
MODEL_TYPE = "model_type"

HIGHER = ("score", "attainment", "auc", "average_precision", "accuracy", "r2", "precision", "recall", "f1")
LOWER = ("mae_bps", "mae", "rmse_bps", "rmse", "mse", "loss", "log_loss", "brier")
MAX_NAME = 200
_RANK = {name: rank for rank, name in enumerate((*HIGHER, *LOWER))}


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """A group of runs. The best run is None while no run has a metric whose direction is known."""

    name: str
    model_types: tuple[str, ...]
    n_runs: int
    n_running: int
    newest_at: datetime
    metric: str | None = None  # the most telling metric of its runs
    best_run_id: str | None = None
    best: float | None = None


def experiment_of(run: Run) -> str | None:
    """Return the experiment of a run, if it has one."""
    return run.tags.get(EXPERIMENT) or None


def model_types_of(run: Run) -> list[str]:
    """Return the kinds of model that a run trains, one name each."""
    return [name for part in (model_type_of(run) or "").split(",") if (name := part.strip())]


def model_type_of(run: Run) -> str | None:
    """Return the kind of model that a run trains, if it says so."""
    return run.tags.get(MODEL_TYPE) or None


def experiment_tags(name: str, model_types: Iterable[str]) -> dict[str, str]:
    """Return the tags of a run that belongs to an experiment.

    Args:
        name: The experiment.
        model_types: The kinds of model that the run trains.

    >>> experiment_tags("desk", ["lightgbm", "linear", "lightgbm"])
    {'experiment_name': 'desk', 'model_type': 'lightgbm, linear'}
    """
    return {EXPERIMENT: name, MODEL_TYPE: ", ".join(sorted(set(model_types)))}


def checked_experiment_name(name: str) -> str:
    """Check the name of an experiment; an empty name stands for the default.

    Raises:
        UsageError: It is not one visible line of at most 200 characters.
    """
    if not is_shown_as_is(name) or len(name) > MAX_NAME or (name and not name.strip()):
        raise UsageError(
            f"{shown(name)} is not an experiment's name: it must be one line of at most {MAX_NAME} characters."
        )
    return name


def experiments(runs: Iterable[Run]) -> list[Experiment]:
    """Group runs by their experiment; the experiment with the newest run comes first."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if (name := experiment_of(run)) is not None:
            groups.setdefault(name, []).append(run)
    found = [_group(name, members) for name, members in groups.items()]
    return sorted(found, key=lambda experiment: (experiment.newest_at, experiment.name), reverse=True)


def best_runs(runs: Iterable[Run]) -> frozenset[str]:
    """Return the id of the best run of each experiment of at least two runs."""
    return frozenset(each.best_run_id for each in experiments(runs) if each.best_run_id and each.n_runs > 1)


def _group(name: str, runs: Sequence[Run]) -> Experiment:
    metric = _telling_metric(runs)
    best: Run | None = None
    if metric is not None:
        sign = 1.0 if metric.rpartition(".")[2] in HIGHER else -1.0
        rated = [run for run in runs if metric in run.metrics]
        best = max(rated, key=lambda run: (sign * run.metrics[metric], -run.started_at.timestamp(), run.run_id))
    return Experiment(
        name=name,
        model_types=tuple(sorted({kind for run in runs for kind in model_types_of(run)})),
        n_runs=len(runs),
        n_running=sum(run.status is RunStatus.RUNNING for run in runs),
        newest_at=max(run.started_at for run in runs),
        metric=metric,
        best_run_id=best.run_id if best is not None else None,
        best=best.metrics[metric] if best is not None and metric is not None else None,
    )


def _telling_metric(runs: Sequence[Run]) -> str | None:
    """Return the metric that most runs have, among those whose direction is known; then the most telling one.

    A metric that one run alone has could name only that run as the best.
    """
    counts: dict[str, int] = {}
    for run in runs:
        for name in run.metrics:
            if name.rpartition(".")[2] in _RANK:
                counts[name] = counts.get(name, 0) + 1
    if not counts:
        return None
    return min(counts, key=lambda name: (-counts[name], _RANK[name.rpartition(".")[2]], name.count("."), name))
