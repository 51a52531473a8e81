"""The slices of a panel of deals for reports."""

from collections.abc import Mapping
from typing import Any

import pandas as pd


def deal_slices(deals: pd.DataFrame) -> Mapping[str, "pd.Series[Any]"]:
    """Return the commodity, the book, the instrument and the counterparty's grade of each deal."""
    return {
        "commodity": deals["commodity"],
        "book": deals["book"],
        "instrument": deals["instrument"],
        "grade": deals["counterparty_grade"],
    }
