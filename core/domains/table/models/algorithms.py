"""The methods for each task, simplest first."""

from collections.abc import Mapping
from typing import Any

from core.models.algorithms import ENSEMBLES, MEMBERS
from core.models.errors import UnknownAlgorithmError
from core.models.learners.algorithms import STAND_IN, fit_once
from core.models.learners.learner import FitOnceLearner
from core.models.learners.lightgbm_library import load_lightgbm
from core.models.parameters import names_in, require_usable
from core.tables.signature import Task

SUPERVISED = ("linear", "lightgbm", "hist_gradient_boosting")
DETECTING = ("isolation_forest",)
ALGORITHMS = ("auto", *SUPERVISED, *ENSEMBLES, *DETECTING)


def algorithms_for(
    task: Task, n_classes: int, algorithm: str, parameters: Mapping[str, Any], *, has_lightgbm: bool = True
) -> list[type[FitOnceLearner]]:
    """Return the candidates, simplest first. The constant and a blend compete without being named.

    The candidates of an ensemble are its members and, last, itself; it answers numbers and two classes.

    Args:
        task: The kind of prediction.
        n_classes: How many classes there are; 0 for a regression.
        algorithm: The requested method, or "auto".
        parameters: The parameters in the settings; some candidate must take each of them.
        has_lightgbm: Whether "auto" may choose LightGBM; else other methods replace it.
    Raises:
        UnknownAlgorithmError: The method cannot do this task.
        UnknownParameterError: No candidate takes a parameter of this name.
        LightGbmUnavailableError: LightGBM was requested, and cannot be loaded.
    """
    fit: tuple[str, ...] = (*SUPERVISED, *ENSEMBLES)
    if task is Task.ANOMALY:
        fit = DETECTING
    elif n_classes > 2:
        fit = ("linear", "lightgbm")
    if algorithm not in ("auto", *fit):
        what = f"{task} of {n_classes} classes" if n_classes > 2 else str(task)
        raise UnknownAlgorithmError(f"a table model for {what}", algorithm, ("auto", *fit))
    if algorithm in ENSEMBLES:
        ensemble = fit_once(algorithm)
        require_usable(algorithm, parameters, ensemble.defaults)
        members = names_in(str(parameters.get("members", ensemble.defaults["members"])))
        # Which of them is simpler is theirs to say, and not the order in which a person names them.
        for member in (kinds := [fit_once(name) for name in sorted(members, key=MEMBERS.index)]):
            member.require()
        return [*kinds, ensemble]
    names = tuple(name for name in fit if name not in ENSEMBLES) if algorithm == "auto" else (algorithm,)
    # A parameter for LightGBM is not an error where another learner replaces it.
    require_usable(
        algorithm, parameters, {key: value for name in names for key, value in fit_once(name).defaults.items()}
    )
    if algorithm == "lightgbm":
        load_lightgbm()
    if algorithm == "auto" and len(names) > 1:
        names = tuple(name for name in names if name != (STAND_IN if has_lightgbm else "lightgbm"))
    return [fit_once(name) for name in names]
