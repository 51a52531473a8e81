"""The best possible detector of anomalies: the exact likelihood ratio of every kind of injected error.

It reads the table alone, as a model does, but knows the law of the clean rows and of the errors. A spread is judged by
its own row; a rating, a stale price and a duplicate by the issuer's other rows too.
"""

import weakref

import numpy as np
import pandas as pd

from core.arrays import FloatArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.anomalies import ANOMALY_TYPES
from core.domains.bonds.data.ratings import N_LIVE
from core.domains.bonds.data.settings import PanelSettings
from core.domains.bonds.models.consistency import contradictions, previous_rows
from core.domains.bonds.models.optimal_scores import clean_density, ln, off_market_evidence, unit_error_evidence
from core.domains.bonds.models.published import PublishedRows, notch_by_sector
from core.domains.bonds.models.rating_context import Belief, RatingLaw
from core.domains.bonds.models.spread_law import SpreadLaw

KINDS = ANOMALY_TYPES[1:]
CERTAIN = 200.0  # nats, of an error that no clean row can show
TICK_BPS = 0.001  # published spreads are rounded to it
N_REMEMBERED = 4

_SETTINGS = PanelSettings()
_OTHER_SHARE = _SETTINGS.anomaly_share - _SETTINGS.maturity_error_rate
_SHARES = {kind: share * _OTHER_SHARE for kind, share in cal.ANOMALY_SHARES.value.items()}
_SHARES["maturity_error"] = _SETTINGS.maturity_error_rate
_WRONG_SPREADS = sum(_SHARES[kind] for kind in ("off_market", "unit_error", "stale_price"))

_remembered: dict[int, tuple[weakref.ref[pd.DataFrame], dict[str, FloatArray]]] = {}


def kind_evidence(bonds: pd.DataFrame) -> dict[str, FloatArray]:
    """Compute the log likelihood ratio of each kind of error against a clean row.

    A test panel is judged after every epoch; what it says is remembered for as long as the panel exists.

    Args:
        bonds: A generated table, n rows, not to be changed in place.
    Returns:
        By kind, nats, shape (n,).
    """
    known = _remembered.get(id(bonds))
    if known is not None and known[0]() is bonds:
        return known[1]
    evidence = evidence_under(bonds, SpreadLaw())
    while len(_remembered) >= N_REMEMBERED:
        del _remembered[next(iter(_remembered))]
    _remembered[id(bonds)] = (weakref.ref(bonds), evidence)
    return evidence


def evidence_under(bonds: pd.DataFrame, law: SpreadLaw, common: FloatArray | float = 1.0) -> dict[str, FloatArray]:
    """Compute the same under another law of spreads.

    Args:
        bonds: A generated table, n rows.
        law: How clean spreads scatter.
        common: A known factor of each expected spread.
    """
    rows = PublishedRows(bonds)
    spread = rows.numbers("spread_bps")
    expected = rows.expected_spread(rows.notch) * common
    clean = ln(clean_density(spread, expected, law))
    broken = contradictions(bonds)
    # A bond that repeats last year's spread; where last year's is itself wrong, what was repeated is not to be seen.
    before = previous_rows(bonds)
    unseen = ln(clean_density(spread, expected[before], law)) + np.log(_WRONG_SPREADS)
    stale = np.where(broken["stale"], -np.log(TICK_BPS), unseen) - clean
    return {
        "off_market": off_market_evidence(spread, expected, law, cal.OFF_MARKET_SHIFT.value),
        "unit_error": unit_error_evidence(spread, expected, law, cal.UNIT_ERROR_FACTOR.value),
        "stale_price": np.where(before >= 0, stale, -CERTAIN),
        "rating_typo": _typo_evidence(rows, law, common),
        "duplicate": np.where(broken["duplicate"], CERTAIN, -CERTAIN),
        "maturity_error": np.where(broken["maturity"], CERTAIN, -CERTAIN),
    }


def anomaly_evidence(by_kind: dict[str, FloatArray]) -> FloatArray:
    """Combine the kinds, each with its share, into the log odds that a row has any error, up to a constant."""
    return np.asarray(np.logaddexp.reduce([by_kind[kind] + np.log(_SHARES[kind]) for kind in KINDS]))


def _typo_evidence(rows: PublishedRows, law: SpreadLaw, common: FloatArray | float) -> FloatArray:
    """Compare the shown rating with those it may have been typed from, by the row's cells and its issuer's rows."""
    spread = rows.numbers("spread_bps")
    own = np.full((rows.n_rows, N_LIVE), -CERTAIN)
    nearest, farthest = cal.RATING_TYPO_NOTCHES.value
    steps = range(nearest, farthest + 1)
    for step in (0, *steps, *(-step for step in steps)):
        on_scale = np.flatnonzero((rows.notch + step >= 0) & (rows.notch + step < N_LIVE))
        were = np.clip(rows.notch + step, 0, N_LIVE - 1)
        density = clean_density(spread, rows.expected_spread(were) * common, law)
        own[on_scale, were[on_scale]] = (ln(density) + rows.cells_given(were))[on_scale]
    ratings = RatingLaw.of((nearest, farthest), _SHARES["rating_typo"])
    return Belief.of(rows.bonds, ratings).typo_odds(ratings, own + np.log(notch_by_sector()[rows.sector]))
