"""The peers of bench_tables.py: methods at their defaults, as a person would try them on a table."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

MOST_LEVELS = 250  # scikit-learn's boosting takes no more; rarer levels become one


def prepared(learn: pd.DataFrame, test: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make numbers of flags, and categories of texts with the levels of the training rows."""
    learn, test = learn.copy(), test.copy()
    for name in learn:
        if pd.api.types.is_bool_dtype(learn[name]):
            learn[name], test[name] = learn[name].astype(float), test[name].astype(float)
        elif not pd.api.types.is_numeric_dtype(learn[name]):
            known = learn[name].value_counts().index[:MOST_LEVELS]
            kind = pd.CategoricalDtype(sorted(known))
            learn[name], test[name] = learn[name].astype(kind), test[name].astype(kind)
    return learn, test


def _linear(is_classes: bool) -> Any:
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="category")),
    )
    return make_pipeline(columns, LogisticRegression(max_iter=1_000) if is_classes else Ridge())


def _lightgbm(is_classes: bool) -> Any:
    import lightgbm

    return (lightgbm.LGBMClassifier if is_classes else lightgbm.LGBMRegressor)(n_jobs=1, verbose=-1)


def _histogram(is_classes: bool) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if is_classes else HistGradientBoostingRegressor
    return kind(categorical_features="from_dtype", random_state=0)


PEERS: dict[str, Callable[[bool], Any]] = {"linear": _linear, "LightGBM": _lightgbm, "histogram": _histogram}


def answers_of(
    peer: str, learn: pd.DataFrame, test: pd.DataFrame, target: str, classes: list[str]
) -> "np.ndarray[Any, Any]":
    """Train a peer, and predict the test rows: numbers, or probabilities in the order of the classes."""
    model = PEERS[peer](bool(classes))
    features, asked = prepared(learn.drop(columns=target), test.drop(columns=target))
    wanted = pd.Categorical(learn[target].astype(str), classes).codes if classes else learn[target].to_numpy(float)
    model.fit(features, wanted)
    return np.asarray(model.predict_proba(asked) if classes else model.predict(asked), dtype=np.float64)
