"""What is followed in a column: a few scores of its values, and shares of its cells."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.monitoring.coarse_cells import LevelCells
from core.monitoring.data_profile import HOURS, WEEKDAYS
from core.monitoring.sequential.layout import ColumnLayout
from core.monitoring.sequential.seasonality import Season, SeasonEffects, effects_of, waves_of_the_day, weekend

N_SCORES = 4  # location, spread, skewness, tails
LEAST_HITS = 20  # rows of a share in the reference, from which its season is looked for
QUALITY_HARMLESS = 0.005
"""The share of cells that may become empty, unseen or out of range: a tenth of the harmless gap of a single check."""
UNREADABLE_HARMLESS = 0.001
NEAR = 3.0  # standard deviations of the rows of a level, within which chance decides whether it has its own cell
NAMES_ROWS = 0.5  # the share of rows with a level of their own, from which new levels are what is to be expected


class Aspect(StrEnum):
    """What of a column has moved."""

    VALUES = "values"
    MISSING = "missing"
    UNSEEN = "unseen"
    OUTSIDE = "outside"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Score:
    """A score of the values of a column, with mean 0 and variance 1 in the reference.

    Attributes:
        by_cell: The score of each cell of the layout; 0 where there is no value.
        among: Whether a cell has a value.
        season: How it differs by hour and weekday.
        weight: Its share in the evidence on the column.
    """

    by_cell: FloatArray
    among: BoolArray
    season: Season
    weight: float


@dataclass(frozen=True, slots=True)
class CellShare:
    """The share of some cells among others.

    Attributes:
        aspect: What its move means.
        hits: The cells in question.
        among: The cells that the share is of.
        n: Rows of the reference in the cells in question; of levels never seen, rows with a level seen once.
        of: Rows that the share is of.
        spread: By how much rows with a level never seen vary beyond their number.
        harmless: The gap that is harmless however certain.
        is_two_sided: Whether a smaller share is a move, too.
        season: How it differs by hour and weekday, in standard deviations of a single row.
        weight: Its share in the evidence on the column.
        candidates: Levels of which one was selected to be followed because of its rows in the reference.
        selected: By how many rows the share may be too small because others were selected for their rows.
    """

    aspect: Aspect
    hits: BoolArray
    among: BoolArray
    n: float
    of: float
    spread: float
    harmless: float
    is_two_sided: bool
    season: Season
    weight: float
    candidates: float = 1.0
    selected: float = 0.0


@dataclass(frozen=True)
class Followed:
    """All that is followed in a column.

    Attributes:
        layout: Its cells.
        scores: Scores of its values.
        shares: Shares of its cells.
        rows: Independent rows of the reference with a value.
    """

    layout: ColumnLayout
    scores: tuple[Score, ...] = ()
    shares: tuple[CellShare, ...] = ()
    rows: float = field(default=0.0)


def followed_in(layout: ColumnLayout, harmless: float) -> Followed:
    """Decide what to follow in a column.

    Args:
        layout: Its cells.
        harmless: The move that is never reported, in standard deviations.
    """
    effect = layout.stored.effect
    rows = layout.stored.n / effect
    quality = tuple(_quality_shares(layout))
    if not layout.has_enough_values:
        return Followed(layout, (), quality, rows)
    if layout.is_number and layout.n_values > 2:
        return Followed(layout, _value_scores(layout), quality, rows)
    return Followed(layout, (), (*_level_shares(layout, harmless), *quality), rows)


def neyman_scores(shares: FloatArray) -> FloatArray:
    """Return scores of ordered cells that are uncorrelated, with mean 0 and variance 1: shape (n_scores, n_cells).

    Args:
        shares: Of the cells, adding up to 1.
    Source:
        The components of Neyman's smooth test, Skandinavisk Aktuarietidskrift 20 (1937), made orthonormal for grouped
        data as in Rayner and Best, Smooth Tests of Goodness of Fit (1989), section 5. They are bounded, so that no
        outlier decides.

    >>> np.round(neyman_scores(np.array([0.25, 0.5, 0.25]))[0], 3).tolist()
    [-1.414, 0.0, 1.414]
    """
    ranks = 2 * (np.cumsum(shares) - shares / 2) - 1
    basis = [np.ones(len(shares))]
    for degree in range(1, min(N_SCORES, len(shares) - 1) + 1):
        found = ranks**degree
        for known in (*basis, *basis):  # twice, or rounding leaves them correlated
            found = found - (shares * found * known).sum() * known
        basis.append(found / np.sqrt((shares * found**2).sum()))
    return np.array(basis[1:])


def _value_scores(layout: ColumnLayout) -> tuple[Score, ...]:
    reference = layout.within(layout.reference).astype(np.float64)
    among = np.zeros(layout.width, dtype=np.bool_)
    among[: layout.missing] = True
    found = []
    scores = neyman_scores(reference / reference.sum())
    for k, score in enumerate(scores):
        by_cell = np.zeros(layout.width)
        by_cell[: layout.n_values] = score
        by_cell[layout.outside] = score[[0, -1]]
        season = _season(layout, by_cell, among)
        weight = 0.5 if k == 0 else 0.5 / (len(scores) - 1)
        found.append(Score(by_cell, among, season, weight))
    return tuple(found)


def _level_shares(layout: ColumnLayout, harmless: float) -> list[CellShare]:
    if layout.n_values < 2:
        return []
    among = np.zeros(layout.width, dtype=np.bool_)
    among[: layout.missing] = True
    cells = range(1, 2) if layout.n_values == 2 else range(layout.n_values)
    effect = layout.stored.effect
    chosen = _selection(layout)
    shares = []
    for cell in cells:
        hits = np.zeros(layout.width, dtype=np.bool_)
        hits[cell] = True
        is_rest = layout.has_rest and cell == layout.n_values - 1
        hits[layout.outside] = is_rest  # rare and new levels are one share: rare levels are known by having been seen
        n, of = layout.reference[cell] / effect, layout.stored.n / effect
        gap = harmless * float(np.sqrt(n / of * (1 - n / of)))
        season = _share_season(layout, hits, among, n / of)
        found = CellShare(Aspect.VALUES, hits, among, n, of, 0.0, gap, True, season, 1.0 / len(cells))
        if is_rest:
            found = replace(found, selected=chosen.excess / effect**0.5)
        elif layout.reference[cell] <= chosen.most:
            found = replace(found, candidates=chosen.candidates)
        shares.append(found)
    return shares


@dataclass(frozen=True, slots=True)
class _Selection:
    """The levels that have a cell of their own by chance, perhaps.

    Attributes:
        candidates: Levels that could have had one.
        most: The most rows of such a level that has one.
        excess: Rows that the levels with a cell of their own may have too many, all together.
    """

    candidates: float = 1.0
    most: float = 0.0
    excess: float = 0.0


def _selection(layout: ColumnLayout) -> _Selection:
    """Measure how much the most frequent levels owe to having been selected.

    Source:
        The mean of the greatest m of K errors is at most √(2 ln(K / m)) standard deviations: Jensen's inequality, as in
        Boucheron, Lugosi and Massart, Concentration Inequalities (2013), section 2.5.
    """
    if not isinstance(layout.cells, LevelCells) or not layout.has_rest:
        return _Selection()
    named = [layout.stored.levels[name] for name in layout.cells.names]
    if not named:
        return _Selection()
    cut = min(named)
    near = NEAR * cut**0.5
    chosen = sum(n <= cut + near for n in named)
    candidates = chosen + sum(layout.stored.levels[name] >= cut - near for name in layout.cells.others)
    excess = chosen * (cut * 2 * np.log(candidates / chosen)) ** 0.5
    return _Selection(float(candidates), cut + near, float(excess))


def _quality_shares(layout: ColumnLayout) -> list[CellShare]:
    stored, effect = layout.stored, layout.stored.effect
    values = np.zeros(layout.width, dtype=np.bool_)
    values[: layout.missing] = True
    rows = np.ones(layout.width, dtype=np.bool_)
    cells = np.arange(layout.width)
    own = max(stored.missing_effect, 1.0)
    empty = cells == layout.missing
    season = _share_season(layout, empty, rows, stored.missing / stored.rows)
    n, of = stored.missing / own, stored.rows / own
    found = [CellShare(Aspect.MISSING, empty, rows, n, of, 0.0, QUALITY_HARMLESS, True, season, 0.3)]
    lost = cells == layout.unreadable
    n = stored.unreadable / own
    found.append(CellShare(Aspect.UNREADABLE, lost, rows, n, of, 0.0, UNREADABLE_HARMLESS, False, _flat(), 0.3))
    if not layout.has_enough_values:
        return found
    new = np.zeros(layout.width, dtype=np.bool_)
    new[layout.outside] = True
    if layout.is_number:
        share = CellShare(
            Aspect.OUTSIDE, new, values, 2.0, stored.n / effect, 0.0, QUALITY_HARMLESS, False, _flat(), 0.4
        )
        found.append(share)  # beyond the two ends of n values there are two of n + 1 rows to expect
    elif layout.cells.n_outside:
        once = sum(n == 1 for n in stored.levels.values()) / effect
        if once * effect > NAMES_ROWS * stored.n:
            return found
        twice = sum(n == 2 for n in stored.levels.values()) / effect
        share = CellShare(
            Aspect.UNSEEN, new, values, once, stored.n / effect, 2 * twice, QUALITY_HARMLESS, False, _flat(), 0.4
        )
        found.append(share)
    return found


def _flat() -> Season:
    return Season(SeasonEffects.none(HOURS), SeasonEffects.none(WEEKDAYS))


def _share_season(layout: ColumnLayout, hits: BoolArray, among: BoolArray, share: float) -> Season:
    if not 0 < share < 1:
        return _flat()
    score = np.where(among, (hits - share) / np.sqrt(share * (1 - share)), 0.0)
    is_rare = min(share, 1 - share) * layout.stored.rows < LEAST_HITS
    return _season(layout, score, among, is_rare=is_rare)


def _season(layout: ColumnLayout, score: FloatArray, among: BoolArray, *, is_rare: bool = False) -> Season:
    """Estimate the season of a score from the counts of values and empty cells by hour and weekday."""
    counted = [*range(layout.n_values), layout.missing]
    own, effect = np.array(among[counted]), layout.stored.effect
    if is_rare:
        return Season.unknown() if not layout.stored.by_hour else _flat()

    def estimated(counts: tuple[tuple[int, ...], ...], patterns: FloatArray) -> SeasonEffects:
        if not counts:
            return SeasonEffects.unknown(len(patterns))
        table = np.array(counts, dtype=np.float64) / effect
        if table.shape[1] != len(counted):
            return SeasonEffects.unknown(len(patterns))
        return effects_of(table @ (score[counted] * own), table @ own.astype(np.float64), patterns)

    return Season(
        estimated(layout.stored.by_hour, waves_of_the_day()),
        estimated(layout.stored.by_weekday, weekend()),
    )
