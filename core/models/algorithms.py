"""The algorithms: their names in the settings, and the learners behind each.

Light to import: settings are checked without loading a learner. A new learner is a class and an entry here.
"""

from importlib.util import find_spec
from typing import NamedTuple

from core.models.errors import MissingExtraError

AUTO = "auto"  # tries the suitable candidates and ships the winner on groups held out
IMPORTED = "imported_lightgbm"  # never used for training
MODEL_STACKING = "model_stacking"
"""A meta-learner on the answers of models of different targets: an algorithm of models that name such models."""


class Algorithm(NamedTuple):
    """The learners of one algorithm, as `module:class` below `core.models.learners`.

    Attributes:
        continuing: The learner that continues from panel to panel, or None.
        fit_once: The learner that trains once, on a table, or None.
        extra: The optional extra that it needs, or None; the module has the same name.
        combines: Whether it is an ensemble of other algorithms.
    """

    continuing: str | None = None
    fit_once: str | None = None
    extra: str | None = None
    combines: bool = False


ALGORITHMS = {
    "linear": Algorithm("linear:LinearLearner", "standardised_linear:StandardisedLinearLearner"),
    "lightgbm": Algorithm("boosting:BoostedLearner", "lightgbm_trees:LightGbmLearner"),
    "random_forest": Algorithm("reservoir:RandomForestReservoir", "ensembles:RandomForestLearner"),
    "gradient_boosting": Algorithm("reservoir:GradientBoostingReservoir", "ensembles:GradientBoostingLearner"),
    "hist_gradient_boosting": Algorithm(
        "reservoir:HistGradientBoostingReservoir", "ensembles:HistGradientBoostingLearner"
    ),
    "xgboost": Algorithm("reservoir:XGBoostReservoir", "ensembles:XGBoostLearner", extra="xgboost"),
    "voting": Algorithm("members:VotingLearner", "table_ensemble:TableVoting", combines=True),
    "blending": Algorithm("members:BlendingLearner", "table_ensemble:TableBlending", combines=True),
    "stacking": Algorithm("members:StackingLearner", "table_ensemble:TableStacking", combines=True),
    "isolation_forest": Algorithm(fit_once="isolation_forest:IsolationForestLearner"),
    "constant": Algorithm(fit_once="constant:ConstantLearner"),
    "blend": Algorithm(fit_once="blend:BlendLearner"),
    IMPORTED: Algorithm(fit_once="lightgbm_trees:ImportedTreesLearner"),
}
SUPERVISED = (AUTO, *(name for name, learners in ALGORITHMS.items() if learners.continuing))
ENSEMBLES = tuple(name for name, learners in ALGORITHMS.items() if learners.combines)
MEMBERS = tuple(name for name in SUPERVISED if name not in (AUTO, *ENSEMBLES))  # of ensembles


def require_extra(algorithm: str) -> None:
    """Check, without importing it, that the optional extra of an algorithm is installed.

    Raises:
        MissingExtraError: It is not.
    """
    if not is_installed(algorithm):
        raise MissingExtraError(algorithm, ALGORITHMS[algorithm].extra or algorithm)


def is_installed(algorithm: str) -> bool:
    """Return, without importing it, whether the optional extra of an algorithm is installed, if it needs one."""
    known = ALGORITHMS.get(algorithm)
    return known is None or known.extra is None or find_spec(known.extra) is not None
