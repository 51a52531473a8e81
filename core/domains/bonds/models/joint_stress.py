"""The joint stress score of a bond, 0 to 1: how wide its spread is, whether it is cut, and whether its liquidity goes.

    score = (w_s · wide + w_d · downgrade_12m + w_l · liquidity_shock_1m) / (w_s + w_d + w_l)
    wide  = clip((spread − anchor(rating)) / cap(grade), 0, 1)

The weights (.25, .20, .20) and the caps of the widening (470 bp of investment grade, 1,400 bp of high yield) are those
of the severity of a stress test, of which this is the part that one row shows; its fourth term, the fall of the price,
needs a scenario. The anchor is the neutral spread of the rating. An event counts in full: a cut of this bond is beyond
the capped rate of cuts, and a liquidity shock is a loss of 15 points of the index or of half the bid-ask in a month.

Given what may be read, the three labels are independent of each other but for the market-implied gap, which is withheld
as it is from the spread; so the expected score is the sum of the expected terms, and its optimum is known.

Source:
    The specification of the domain, section 2 (score 0–1 of a scenario) and 1.4 (anchors); graded judgement (J), the
    caps after the worst published episodes. Choice of an event's full count: ours (J).
"""

from functools import cache

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import FloatArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.labels import frailty_integrated
from core.domains.bonds.models import designs
from core.domains.bonds.models.attainment import sound_rows
from core.domains.bonds.models.bond_model import BondModel
from core.domains.bonds.models.derived import FIRST_SPECULATIVE_NOTCH
from core.domains.bonds.models.spread_law import TICK_BPS, VARIANCE
from core.domains.bonds.stress import calibration as stress_cal
from core.domains.draws import frozen
from core.models.algorithms import MODEL_STACKING
from core.models.interface import Attainment, Panel, PanelLike, table_of, truth_of
from core.models.known_truth import truth_rows

LABEL = "joint_stress"
_SPREAD, _DOWNGRADE, _LIQUIDITY, _GAP = "spread_bps", "downgrade_12m", "liquidity_shock_1m", "market_implied_gap"
SOURCES = (_SPREAD, _DOWNGRADE, _LIQUIDITY, "rating_num")
"""The columns that the score is computed from."""

_M_NODES, _TICK_NODES, _GAP_NODES = 48, 8, 24
CHUNK = 4_096  # rows per batch of the quadrature


class JointStressModel(BondModel):
    """Regression of the joint stress score."""

    name = "joint_stress"
    task = "regression"
    label = LABEL
    variants = {MODEL_STACKING: "core.domains.bonds.models.stacks:JointStressStack"}
    link = "regression"
    unit = "score"
    truth_column = "s_opt"
    design = designs.JOINT_STRESS
    withheld = frozenset({_GAP})

    @override
    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return table if LABEL in table else table.assign(**{LABEL: joint_stress(table)})

    @override
    def judged_rows(self, table: pd.DataFrame) -> pd.DataFrame:
        rows = self.rows(table)
        return rows[sound_rows(rows) & rows[LABEL].notna().to_numpy()]

    @override
    def actual(self, frame: pd.DataFrame) -> FloatArray | None:
        if LABEL not in frame and not set(SOURCES) <= set(frame.columns):
            return None
        return super().actual(self.rows(frame))

    @override
    def answer(self, score: FloatArray) -> FloatArray:
        return np.clip(score, 0.0, 1.0)

    @override
    def evaluate(self, panel: PanelLike | pd.DataFrame) -> dict[str, float]:
        return super().evaluate(Panel(self.judged_rows(table_of(panel)), truth_of(panel)))

    @override
    def attainment(self, panel: PanelLike, *, seed: int, same_draw: bool = False) -> Attainment | None:
        judged = Panel(self.judged_rows(panel.frame), truth_of(panel))
        return super().attainment(judged, seed=seed, same_draw=same_draw)

    @override
    def _labelled(self, table: pd.DataFrame) -> pd.DataFrame:
        self.design.derived.require(table, SOURCES, model=self.name)
        return super()._labelled(self.rows(table))

    @override
    def _best(self, rows: pd.DataFrame, truth: pd.DataFrame | None) -> FloatArray:
        return expected_stress(rows, truth_rows(truth, rows))


def joint_stress(bonds: pd.DataFrame) -> FloatArray:
    """Compute the label from the three labels behind it; NaN where one of them or the rating is unknown.

    Args:
        bonds: With the columns `SOURCES`.
    Returns:
        Shape (n,).
    """
    spread, cut, shocked, rating = (bonds[name].to_numpy(dtype=np.float64) for name in SOURCES)
    return joined(widening(spread, rating), cut, shocked)


def joined(wide: FloatArray, cut: FloatArray, shocked: FloatArray) -> FloatArray:
    """Add the three terms, each 0 to 1 or the probability of its event, by their weights.

    >>> joined(np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.array([1.0, 1.0])).round(4).tolist()
    [1.0, 0.3077]
    """
    weights = stress_cal.IMPACT_WEIGHTS.value
    of_spread, of_cut, of_liquidity = weights["spread_widening_bps"], weights["cut_share"], weights["liquidity_drop"]
    total = of_spread + of_cut + of_liquidity
    return np.asarray((of_spread * wide + of_cut * cut + of_liquidity * shocked) / total)


def widening(spread_bps: FloatArray, rating_num: FloatArray) -> FloatArray:
    """Return how far spreads are above the neutral anchor of their rating, 0 to 1 of the cap of its grade; NaN is kept.

    >>> widening(np.array([148.0, 148.0 + 235.0, 9_000.0]), np.array([8.0, 8.0, 12.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    anchor, cap = _anchor_and_cap(rating_num)
    return np.asarray(np.clip((spread_bps - anchor) / cap, 0.0, 1.0))


def expected_widening(
    expected_bps: FloatArray, rating_num: FloatArray, *, variance: float = VARIANCE, tick_bps: float = TICK_BPS
) -> FloatArray:
    """Return E[widening] where y = s·exp(m − σ²/2) + ε, by Gauss-Hermite nodes on m and ε.

    Args:
        expected_bps: s, shape (n,).
        rating_num: Notches.
        variance: σ² of m.
        tick_bps: Standard deviation of ε; 0 leaves it out.
    """
    factor, of_m = _factors(_M_NODES, variance)
    tick, of_tick = _nodes(_TICK_NODES) if tick_bps else (np.zeros(1), np.ones(1))
    anchor, cap = _anchor_and_cap(rating_num)
    found = np.empty(len(expected_bps))
    for start in range(0, len(found), CHUNK):
        rows = slice(start, start + CHUNK)
        over = expected_bps[rows, None] * factor - anchor[rows, None]
        cells = np.clip((over[:, :, None] + tick_bps * tick) / cap[rows, None, None], 0.0, 1.0)
        found[rows] = (cells @ of_tick) @ of_m
    return found


def expected_stress(bonds: pd.DataFrame, truth: pd.DataFrame) -> FloatArray:
    """Return the expected score of each bond given all that the model may read: the best possible answer.

    The downgrade's log odds lose the part of the market-implied gap, which is standard normal and independent of the
    rest, and the gap is integrated out. Of the few rows whose gap is missing, the mean of the gap stands for it.
    """
    rating = bonds["rating_num"].to_numpy(dtype=np.float64)
    wide = expected_widening(truth["s_opt"].to_numpy(dtype=np.float64), rating)
    effect = cal.DOWNGRADE_EFFECTS.value["gap"]
    odds = truth["eta_down"].to_numpy(dtype=np.float64) - effect * np.nan_to_num(bonds[_GAP].to_numpy(dtype=np.float64))
    gap, weights = _nodes(_GAP_NODES)
    cut = sum(
        (w * frailty_integrated(odds + effect * g) for g, w in zip(gap, weights, strict=True)), np.zeros(len(odds))
    )
    return joined(wide, cut, truth["p_liq"].to_numpy(dtype=np.float64))


def _anchor_and_cap(rating_num: FloatArray) -> tuple[FloatArray, FloatArray]:
    anchors = _anchors()
    caps = stress_cal.IMPACT_CAPS.value
    known = np.nan_to_num(rating_num, nan=FIRST_SPECULATIVE_NOTCH)
    notch = np.clip(known, 0, len(anchors) - 1).astype(np.int64)
    cap = np.where(known < FIRST_SPECULATIVE_NOTCH, caps["widening_investment"], caps["widening_high_yield"])
    return np.where(np.isnan(rating_num), np.nan, anchors[notch]), cap


@cache
def _anchors() -> FloatArray:
    return frozen(np.array(cal.SPREAD_ANCHOR.value))


@cache
def _nodes(n: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of the quadrature; to find them takes far longer than to use them."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return frozen(nodes), frozen(weights / weights.sum())


def _factors(n: int, variance: float) -> tuple[FloatArray, FloatArray]:
    nodes, weights = _nodes(n)
    return np.exp(np.sqrt(variance) * nodes - variance / 2), weights
