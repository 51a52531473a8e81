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

_SINGLE: dict[str, type[Learner]] = {
    "linear": LinearLearner,
    "lightgbm": BoostedLearner,
    "random_forest": RandomForestLearner,
    "gradient_boosting": GradientBoostingLearner,
    "hist_gradient_boosting": HistGradientBoostingLearner,
    "xgboost": XGBoostLearner,
}
ALGORITHMS = ("auto", *_SINGLE)


def lineup(algorithm: str) -> dict[str, type[Learner]]:
    """List the candidates of an algorithm, simplest first; trees on the linear offset come after the linear learner."""
    if algorithm == "auto":
        return {LINEAR: LinearLearner, BOOSTING: BoostedLearner, ON_LINEAR: OffsetLearner}
    return {algorithm: _SINGLE[algorithm]}
