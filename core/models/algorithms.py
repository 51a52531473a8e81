"""The algorithms: their names, by which settings ask for a way of training, and where the learners behind each are.

Light to import: settings are checked without any learner. A new learner is a class and an entry here.
"""

from typing import NamedTuple

AUTO = "auto"  # tries what suits the model and ships what wins on groups held out
IMPORTED = "imported_lightgbm"  # nothing is trained by it


class Algorithm(NamedTuple):
    """Where the learners of one algorithm are, as `module:class` below `core.models.learners`.

    Attributes:
        continuing: The one that goes on learning from panel to panel; None if there is none.
        fit_once: The one that learns once, from a table; None if there is none.
    """

    continuing: str | None = None
    fit_once: str | None = None


ALGORITHMS = {
    "linear": Algorithm("linear:LinearLearner", "standardised_linear:StandardisedLinearLearner"),
    "lightgbm": Algorithm("boosting:BoostedLearner", "lightgbm_trees:LightGbmLearner"),
    "random_forest": Algorithm("reservoir:RandomForestReservoir"),
    "gradient_boosting": Algorithm("reservoir:GradientBoostingReservoir"),
    "hist_gradient_boosting": Algorithm(
        "reservoir:HistGradientBoostingReservoir", "ensembles:HistGradientBoostingLearner"
    ),
    "xgboost": Algorithm("reservoir:XGBoostReservoir"),
    "isolation_forest": Algorithm(fit_once="isolation_forest:IsolationForestLearner"),
    IMPORTED: Algorithm(fit_once="lightgbm_trees:ImportedTreesLearner"),
}
SUPERVISED = (AUTO, *(name for name, learners in ALGORITHMS.items() if learners.continuing))
