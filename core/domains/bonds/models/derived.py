"""Columns the models read that are not in the table as such: logarithms and flags, row by row, no statistics.

Nothing here looks at another row, a label or a price, so no derived column can carry information between
issuers or from the future.
"""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from core.arrays import FloatArray
from core.models.errors import MissingColumnsError

EMERGING_REGIONS = ("asia_ex_japan", "latin_america", "ceemea")
LOCAL_CURRENCY = "LOCAL_EM"
FIRST_SPECULATIVE_NOTCH = 10  # BB+


def _number(frame: pd.DataFrame, column: str) -> FloatArray:
    return frame[column].to_numpy(dtype=np.float64, na_value=np.nan)


def _log(column: str, floor: float) -> Callable[[pd.DataFrame], FloatArray]:
    return lambda frame: np.log(np.maximum(_number(frame, column), floor))


def _is(column: str, *values: str) -> Callable[[pd.DataFrame], FloatArray]:
    return lambda frame: np.asarray(frame[column].isin(values), dtype=np.float64)


def _emerging_hard_currency(frame: pd.DataFrame) -> FloatArray:
    return _is("region", *EMERGING_REGIONS)(frame) * (1.0 - _is("currency", LOCAL_CURRENCY)(frame))


# name: (the table's columns it is made of, how)
DERIVED: dict[str, tuple[tuple[str, ...], Callable[[pd.DataFrame], FloatArray]]] = {
    "ln_maturity": (("maturity_years",), _log("maturity_years", 0.05)),
    "ln_age": (("age_years",), lambda frame: np.log1p(np.maximum(_number(frame, "age_years"), 0.0))),
    "ln_size": (("issue_size_musd",), _log("issue_size_musd", 1.0)),
    "ln_leverage": (("leverage_x",), _log("leverage_x", 0.01)),
    "ln_coverage": (("interest_coverage_x",), _log("interest_coverage_x", 0.01)),
    "ln_bid_ask": (("bid_ask_bps",), _log("bid_ask_bps", 0.1)),
    "ln_turnover": (("turnover_annual",), _log("turnover_annual", 1e-3)),
    "ln_fx_vol": (("fx_vol",), _log("fx_vol", 1e-3)),
    "ln_vix": (("vix",), _log("vix", 1.0)),
    "is_high_yield": (
        ("rating_num",),
        lambda frame: (_number(frame, "rating_num") >= FIRST_SPECULATIVE_NOTCH).astype(np.float64),
    ),
    "is_sovereign": (("sector",), _is("sector", "sovereign")),
    "is_supranational": (("sector",), _is("sector", "supranational_agency")),
    "em_hard_currency": (("region", "currency"), _emerging_hard_currency),
}


def column_values(frame: pd.DataFrame, name: str) -> FloatArray:
    """Read one column, derived or plain, as floats.

    Args:
        frame: The table of bonds.
        name: A name in `DERIVED`, or a numeric or boolean column of the table.
    Returns:
        Shape (n,), NaN where the table has no value.
    """
    made_of = DERIVED.get(name)
    return made_of[1](frame) if made_of else _number(frame, name)


def require_columns(frame: pd.DataFrame, names: Iterable[str], *, model: str) -> None:
    """Check that a table has every column behind these names.

    Raises:
        MissingColumnsError: One or more are absent; all of them are named.
    """
    wanted = {source for name in names for source in (DERIVED[name][0] if name in DERIVED else (name,))}
    if missing := sorted(wanted - set(frame.columns)):
        raise MissingColumnsError(model, missing)


def sources(name: str) -> tuple[str, ...]:
    """Name the table's own columns behind a feature, so that importance can be told in their terms."""
    return DERIVED[name][0] if name in DERIVED else (name,)
