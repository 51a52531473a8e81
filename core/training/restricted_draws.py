"""Draws of a domain, restricted to the rows of a slice where the request asks for it."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from core.arrays import BoolArray
from core.domains.domain import DrawRequest, SessionDomain, SlicedDomain
from core.errors import RefusedError
from core.models import Panel, PanelLike

_FIRST_FACTOR, _MORE, _LEAST_ROWS = 8, 1.3, 2_000
MOST_ROWS = 20_000_000


class TooRareError(RefusedError):
    """The domain draws too few rows of the slice."""

    def __init__(self, domain: str, only: Mapping[str, str], n_rows: int) -> None:
        told = ", ".join(f"{name} {value}" for name, value in only.items())
        super().__init__(
            f"{domain} draws rows of {told} so rarely that {n_rows:,} of them take more than {MOST_ROWS:,} rows. "
            "Lower dataset_size, or choose another slice."
        )


def draw_of(domain: SessionDomain, request: DrawRequest) -> PanelLike:
    """Draw the panel of a request; the same request gives the same panel.

    For a slice, more rows are drawn, until enough of them are of the slice; the first of these are the panel.

    Raises:
        TooRareError: The slice is too rare.
    """
    if not request.only:
        return domain.draw(request)
    n_drawn = max(_FIRST_FACTOR * request.n_rows, _LEAST_ROWS)
    while True:
        panel = domain.draw(replace(request, n_rows=n_drawn))
        found = np.flatnonzero(_is_of(domain, panel.frame, request.only))
        if len(found) >= request.n_rows:
            keep = found[: request.n_rows]
            truth = None if panel.truth is None else panel.truth.iloc[keep].reset_index(drop=True)
            return Panel(panel.frame.iloc[keep].reset_index(drop=True), truth)
        n_drawn = math.ceil(_MORE * n_drawn * request.n_rows / max(len(found), 1))
        if n_drawn > MOST_ROWS:
            raise TooRareError(domain.name, request.only, request.n_rows)


def _is_of(domain: SessionDomain, frame: pd.DataFrame, only: Mapping[str, str]) -> BoolArray:
    assert isinstance(domain, SlicedDomain)
    slices = domain.slices(frame)
    wanted = [np.asarray(slices[name].astype(object) == value) for name, value in only.items()]
    return np.asarray(np.logical_and.reduce(wanted), dtype=np.bool_)
