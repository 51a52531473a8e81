"""Which learners stand behind each algorithm name."""

from core.models.learners.boosting import BoostedLearner, OffsetLearner
from core.models.learners.learner import Learner
from core.models.learners.linear import LinearLearner
from core.models.learners.reservoir import (
    GradientBoostingLearner,
    HistGradientBoostingLearner,
    RandomForestLearner,
    XGBoostLearner,
)

LINEAR, BOOSTING, ON_LINEAR = "linear", "boosting", "boosting_on_linear"
STAND_IN = "hist_gradient_boosting"  # where LightGBM cannot be loaded

_SINGLE: dict[str, type[Learner]] = {
    "linear": LinearLearner,
    "lightgbm": BoostedLearner,
    "random_forest": RandomForestLearner,
    "gradient_boosting": GradientBoostingLearner,
    "hist_gradient_boosting": HistGradientBoostingLearner,
    "xgboost": XGBoostLearner,
}
ALGORITHMS = ("auto", *_SINGLE)


def lineup(algorithm: str, *, has_lightgbm: bool = True) -> dict[str, type[Learner]]:
    """List the candidates of an algorithm, simplest first; trees on the linear offset come after the linear learner.

    Args:
        algorithm: One of `ALGORITHMS`.
        has_lightgbm: Whether "auto" may choose LightGBM; else scikit-learn's boosting stands in for it.
    """
    if algorithm != "auto":
        return {algorithm: _SINGLE[algorithm]}
    if has_lightgbm:
        return {LINEAR: LinearLearner, BOOSTING: BoostedLearner, ON_LINEAR: OffsetLearner}
    return {LINEAR: LinearLearner, STAND_IN: _SINGLE[STAND_IN]}
