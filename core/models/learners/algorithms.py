"""Loading the learners behind each algorithm name."""

from typing import Any

from core.models.algorithms import ALGORITHMS, AUTO
from core.models.learners.learner import ContinuingLearner, FitOnceLearner
from core.plugins import load_object

LINEAR, BOOSTING, ON_LINEAR = "linear", "boosting", "boosting_on_linear"
STAND_IN = "hist_gradient_boosting"  # where LightGBM cannot be loaded


def continuing(name: str) -> type[ContinuingLearner]:
    """Return the continuing learner of an algorithm.

    Raises:
        KeyError: The algorithm has no such learner.
    """
    learner: type[ContinuingLearner] = _loaded(name, ALGORITHMS[name].continuing)
    return learner


def fit_once(name: str) -> type[FitOnceLearner]:
    """Return the fit-once learner of an algorithm.

    Raises:
        KeyError: The algorithm has no such learner.
    """
    learner: type[FitOnceLearner] = _loaded(name, ALGORITHMS[name].fit_once)
    return learner


def algorithms_for(algorithm: str, *, has_lightgbm: bool = True) -> dict[str, type[ContinuingLearner]]:
    """List the candidates of an algorithm, simplest first; trees on the linear offset come after the linear learner.

    Args:
        algorithm: One of `SUPERVISED`.
        has_lightgbm: Whether "auto" may choose LightGBM; else scikit-learn's boosting replaces it.
    """
    if algorithm != AUTO:
        return {algorithm: continuing(algorithm)}
    if has_lightgbm:
        from core.models.learners.boosting import OffsetLearner

        return {LINEAR: continuing("linear"), BOOSTING: continuing("lightgbm"), ON_LINEAR: OffsetLearner}
    return {LINEAR: continuing("linear"), STAND_IN: continuing(STAND_IN)}


def _loaded(name: str, place: str | None) -> Any:
    if place is None:
        raise KeyError(name)
    return load_object(f"core.models.learners.{place}")
