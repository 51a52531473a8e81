"""The scores of a model by slice of a panel: by sector, rating, maturity and region for bonds."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import BoolArray
from core.domains.domain import SessionDomain, SlicedDomain
from core.explain.deny_list import DenyList
from core.explain.documents import SEVERAL_READ
from core.models import Model, PanelLike
from core.models.slices import LEAST_ROWS, MOST_COLUMNS, MOST_LEVELS
from core.training.epoch_slices import SliceTable, slice_table
from core.training.metrics import Answers, answers_of

Slices = dict[str, dict[str, float]]


def scores_by_slice(model: Model, panel: PanelLike, domain: SessionDomain) -> Slices:
    """Measure a model on each slice of a panel; it predicts the panel once.

    Args:
        model: The model.
        panel: The test panel.
        domain: The domain.
    Returns:
        `n_rows` and the standard scores of each slice, such as "sector=utilities"; slices of fewer than 30 rows, and
        scores that are undefined there, are left out. The attainment is that of a whole panel, and has no slices.
    """
    answers = answers_of(model, panel)
    return {} if answers is None else _scores(answers, _large_slices(answers.rows, domain))


class EpochSlices:
    """The scores by slice of the panel that judges every epoch: its slices are found once."""

    def __init__(self, domain: SessionDomain, denied: DenyList) -> None:
        """Take the domain, which names the slices, and the columns whose slices must not appear."""
        self._domain, self._denied = domain, denied
        self._slices: dict[str, dict[str, BoolArray]] = {}
        self._made_of: dict[str, dict[str, str]] = {}

    def table(self, model: str, answers: Answers | None) -> SliceTable | None:
        """Measure a model's answers; None without answers or slices. Models may be measured side by side.

        Args:
            model: Its name.
            answers: Its answers to the same rows in every epoch.
        """
        if answers is None:
            return None
        if model not in self._slices:
            self._made_of[model] = slicings_of(answers.rows, self._domain)
            denied = self._denied.with_slicings(self._made_of[model])
            self._slices[model] = denied.visible_slices(_large_slices(answers.rows, self._domain))
        found = _scores(answers, self._slices[model])
        return slice_table(found, self._made_of[model]) if found else None


def _scores(answers: Answers, slices: Mapping[str, BoolArray]) -> Slices:
    return {name: {"n_rows": float(rows.sum()), **answers.scores(rows)} for name, rows in slices.items()}


def _large_slices(frame: pd.DataFrame, domain: SessionDomain) -> dict[str, BoolArray]:
    return {name: rows for name, rows in domain_slices(frame, domain) if int(rows.sum()) >= LEAST_ROWS}


def domain_slices(frame: pd.DataFrame, domain: SessionDomain) -> Iterator[tuple[str, BoolArray]]:
    """Return the rows of each slice that a domain names, else of the categories of few levels."""
    for name, values in _sliced(frame, domain).items():
        for level in sorted(values.dropna().unique(), key=_order(values)):
            yield f"{name}={level}", np.asarray(values == level)


def slicings_of(frame: pd.DataFrame, domain: SessionDomain) -> dict[str, str]:
    """Return the column that each slicing of a domain is made of, by the name of the slicing; else all columns."""
    known = {str(name) for name in frame}
    found = {name: str(values.name) for name, values in _sliced(frame, domain).items()}
    return {
        name: column if known.issuperset(column.split(SEVERAL_READ)) else SEVERAL_READ.join(sorted(known))
        for name, column in found.items()
    }


def _sliced(frame: pd.DataFrame, domain: SessionDomain) -> Mapping[str, "pd.Series[Any]"]:
    return domain.slices(frame) if isinstance(domain, SlicedDomain) else _categories(frame, domain)


def _order(values: "pd.Series[Any]") -> Any:
    """Keep the order of categories; sort other levels by name."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return list(values.cat.categories).index
    return str


def _categories(frame: pd.DataFrame, domain: SessionDomain) -> dict[str, "pd.Series[Any]"]:
    """Return the columns of few levels, for a domain that names no slices."""
    names = [
        str(name)
        for name, column in frame.items()
        if isinstance(column.dtype, pd.CategoricalDtype)
        and len(column.cat.categories) <= MOST_LEVELS
        and name != domain.group_column
    ]
    return {name: frame[name] for name in names[:MOST_COLUMNS]}
