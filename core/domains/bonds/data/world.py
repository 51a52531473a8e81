"""The world behind a panel: a macro path, its issuers, and their outstanding bonds."""

from dataclasses import dataclass

import numpy as np

from core.arrays import IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.history import History, simulate
from core.domains.bonds.data.instruments import Instruments, draw_instruments, month_end, years_between
from core.domains.bonds.data.issuers import MAX_LIFE, Issuers, Reviews, draw_issuers, draw_reviews
from core.domains.bonds.data.macro import MacroPath, macro_path
from core.domains.bonds.data.settings import PanelSettings
from core.domains.draws import stream

_MARGIN, _MORE, _FEWEST = 1.15, 1.3, 12


@dataclass(frozen=True, slots=True)
class World:
    """All draws made before rows are observed, and which bond is observed in which year of its issuer."""

    path: MacroPath
    issuers: Issuers
    reviews: Reviews
    history: History
    bonds: Instruments
    row_bond: IntArray  # in the bonds' order, shape (n_rows,)
    row_year: IntArray


def draw_world(settings: PanelSettings, n_rows: int) -> World:
    """Draw issuers until there are enough rows, and keep the first `n_rows`.

    Defaults and maturing bonds make the number of rows of an issuer uncertain, so more issuers are drawn than
    expected to be needed; if they do not suffice, everything is drawn again with more.
    """
    path = macro_path(settings.path_seed, settings.n_years)
    margin = _MARGIN
    while True:
        n_issuers = int(n_rows / cal.ROWS_PER_ISSUER.value * margin) + _FEWEST
        issuers = draw_issuers(stream(settings.seed, "issuers"), n_issuers, path.n_months)
        bonds = draw_instruments(stream(settings.seed, "instruments"), issuers, path)
        reviews = draw_reviews(stream(settings.seed, "reviews"), n_issuers, MAX_LIFE)
        history = simulate(settings.seed, issuers, reviews, path)
        reviewed = month_end(path.months[history.month])[bonds.issuer]
        left = years_between(reviewed, bonds.maturity_date[:, None])
        row_bond, row_year = np.nonzero(history.observed[bonds.issuer] & (left >= cal.MIN_MATURITY.value))
        if len(row_bond) >= n_rows:
            return World(path, issuers, reviews, history, bonds, row_bond[:n_rows], row_year[:n_rows])
        margin *= _MORE
