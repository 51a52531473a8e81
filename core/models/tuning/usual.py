"""The ranges of each algorithm where the settings name none.

They hold what decides how much a method may bend to its rows: how many steps, how large, and how strongly they are
shrunk. A model leaves out what it does not take.
"""

from core.models.algorithms import AUTO
from core.models.tuning.ranges import NumberRange, SearchRanges

_TREES: SearchRanges = {
    "learning_rate": NumberRange(0.02, 0.3, is_log=True),
    "num_leaves": NumberRange(4, 63, is_log=True, is_whole=True),
    "min_data_in_leaf": NumberRange(5, 120, is_log=True, is_whole=True),
    "lambda_l2": NumberRange(0.1, 200.0, is_log=True),
    "feature_fraction": NumberRange(0.2, 1.0),
    "first_trees": NumberRange(20, 240, is_log=True, is_whole=True),
}
_LINEAR: SearchRanges = {"strength": NumberRange(0.1, 100.0, is_log=True), "group_correlation": NumberRange(0.0, 0.6)}

USUAL: dict[str, SearchRanges] = {
    AUTO: {**_TREES, "group_correlation": _LINEAR["group_correlation"]},
    "linear": _LINEAR,
    "lightgbm": _TREES,
    "random_forest": {
        "n_estimators": NumberRange(60, 300, is_log=True, is_whole=True),
        "max_depth": NumberRange(4, 24, is_log=True, is_whole=True),
        "min_samples_leaf": NumberRange(1, 30, is_log=True, is_whole=True),
        "max_features": NumberRange(0.1, 1.0),
    },
    "gradient_boosting": {
        "n_estimators": NumberRange(50, 400, is_log=True, is_whole=True),
        "max_depth": NumberRange(2, 7, is_whole=True),
        "learning_rate": NumberRange(0.02, 0.3, is_log=True),
        "subsample": NumberRange(0.4, 1.0),
        "max_features": NumberRange(0.1, 1.0),
    },
    "hist_gradient_boosting": {
        "max_iter": NumberRange(40, 400, is_log=True, is_whole=True),
        "learning_rate": NumberRange(0.02, 0.3, is_log=True),
        "max_leaf_nodes": NumberRange(4, 63, is_log=True, is_whole=True),
        "min_samples_leaf": NumberRange(5, 120, is_log=True, is_whole=True),
        "l2_regularization": NumberRange(0.1, 200.0, is_log=True),
    },
    "xgboost": {
        "n_estimators": NumberRange(50, 400, is_log=True, is_whole=True),
        "max_leaves": NumberRange(4, 63, is_log=True, is_whole=True),
        "eta": NumberRange(0.02, 0.3, is_log=True),
        "reg_lambda": NumberRange(0.1, 200.0, is_log=True),
        "colsample_bytree": NumberRange(0.2, 1.0),
    },
}
