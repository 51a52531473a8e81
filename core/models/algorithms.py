"""The names by which settings ask for a way of training. Light to import: settings are checked without any learner."""

AUTO = "auto"  # tries what suits the model and ships what wins on groups held out
SINGLE = ("linear", "lightgbm", "random_forest", "gradient_boosting", "hist_gradient_boosting", "xgboost")
SUPERVISED = (AUTO, *SINGLE)
