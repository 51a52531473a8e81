"""Which methods there are for which task, the simplest first."""

from collections.abc import Mapping
from typing import Any

from core.models.errors import UnknownAlgorithmError, UnknownParameterError
from core.models.learners.algorithms import fit_once
from core.models.learners.learner import FitOnceLearner
from core.models.learners.lightgbm_library import load_lightgbm
from core.tables.signature import Task

SUPERVISED = ("linear", "lightgbm", "hist_gradient_boosting")
DETECTING = ("isolation_forest",)
ALGORITHMS = ("auto", *SUPERVISED, *DETECTING)


def algorithms_for(
    task: Task, n_classes: int, algorithm: str, parameters: Mapping[str, Any], *, has_lightgbm: bool = True
) -> list[type[FitOnceLearner]]:
    """Return the candidates, the simplest first.

    Args:
        task: What is learned.
        n_classes: How many classes there are; 0 for a regression.
        algorithm: The one method that was asked for, or "auto".
        parameters: What the settings say; each must be one that some candidate takes.
        has_lightgbm: Whether "auto" may choose LightGBM; else the others stand in for it.
    Raises:
        UnknownAlgorithmError: The method cannot do this task.
        UnknownParameterError: No candidate takes a parameter of this name.
        LightGbmUnavailableError: LightGBM was asked for, and cannot be loaded.
    """
    fit: tuple[str, ...] = SUPERVISED
    if task is Task.ANOMALY:
        fit = DETECTING
    elif n_classes > 2:
        fit = ("linear", "lightgbm")
    if algorithm not in ("auto", *fit):
        what = f"{task} of {n_classes} classes" if n_classes > 2 else str(task)
        raise UnknownAlgorithmError(f"a table model for {what}", algorithm, ("auto", *fit))
    names = fit if algorithm == "auto" else (algorithm,)
    # What is set for LightGBM is no mistake where another stands in for it.
    known = {key for name in names for key in fit_once(name).defaults}
    if unknown := sorted(set(parameters) - known):
        raise UnknownParameterError(algorithm, unknown, sorted(known))
    if algorithm == "lightgbm":
        load_lightgbm()
    return [fit_once(name) for name in names if has_lightgbm or name != "lightgbm" or algorithm == name]
