"""The distribution of a training set in a few figures for each column, so that two versions' data can be compared."""

from typing import Any, TypeAlias

import numpy as np
import pandas as pd

Profile: TypeAlias = dict[str, dict[str, float]]

MOST_LEVELS = 12
MOST_COLUMNS = 200
DIGITS = 6


def data_profile(frame: pd.DataFrame) -> Profile:
    """Describe the columns of a training set.

    Args:
        frame: The rows.
    Returns:
        By column: `missing` (share of empty cells, where there are any), and of numbers `mean`, `sd` and `median`, of
        categories with few levels the share of each level. Columns of names and dates are left out.
    """
    profile: Profile = {}
    for name in list(map(str, frame.columns))[:MOST_COLUMNS]:
        if figures := _figures(frame[name]):
            profile[name] = {figure: _rounded(value) for figure, value in figures.items()}
    return profile


def _figures(column: "pd.Series[Any]") -> dict[str, float]:
    missing = float(column.isna().mean()) if len(column) else 0.0
    gaps = {"missing": missing} if missing else {}
    kind = column.dtype
    if pd.api.types.is_numeric_dtype(kind):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        values = values[np.isfinite(values)]
        if not len(values):
            return gaps
        return {**gaps, "mean": float(values.mean()), "sd": float(values.std()), "median": float(np.median(values))}
    if pd.api.types.is_datetime64_any_dtype(kind) or column.nunique() > MOST_LEVELS:
        return {}
    shares = column.astype(str)[column.notna()].value_counts(normalize=True).sort_index()
    return {**gaps, **{f"share of {level}": float(share) for level, share in shares.items()}}


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
