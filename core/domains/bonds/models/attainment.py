"""The quality of the models of spreads and of anomalies, measured against the best possible model.

The truth is the expected spread, and the law of the injected errors (`core.models.known_truth`).

There are two optima. Effects common to a sector or a region in a month can be learned from other issuers of the same
draw; for rows of a training draw (`same_draw`) the optimum treats them as known.
"""

import math

import numpy as np
import pandas as pd

from core import intervals
from core.arrays import BoolArray, FloatArray
from core.domains.bonds.models.optimal_anomaly import anomaly_evidence, evidence_under, kind_evidence
from core.domains.bonds.models.spread_law import UNIT_BPS, SpreadLaw, same_draw_law, to_learning_scale
from core.models.interface import Attainment, PanelLike, table_of, truth_of
from core.models.known_truth import detection_attainment, detection_metrics, loses_less, r_squared, truth_rows
from core.models.ranking import average_precision


def spread_metrics(bonds: pd.DataFrame, truth: pd.DataFrame | None, score: FloatArray) -> dict[str, float]:
    """Evaluate spreads predicted on the scale of asinh(y / 10 bp), on rows without an injected error.

    Returns:
        `r2`, `mae_bps`, `loss`; if the truth is known also `optimum`, `mae_optimum_bps` and `attainment`.
    """
    sound = sound_rows(bonds)
    spread = bonds["spread_bps"].to_numpy(dtype=np.float64)[sound]
    target, score = to_learning_scale(spread), score[sound]
    metrics = {
        "r2": r_squared(target, score),
        "mae_bps": float(np.mean(np.abs(spread - UNIT_BPS * np.sinh(score)))),
        "loss": float(np.mean(np.square(target - score))),
    }
    if truth is not None:
        law = SpreadLaw()
        expected = truth_rows(truth, bonds)["s_opt"].to_numpy(dtype=np.float64)[sound]
        best, variance = law.moments(expected)
        median = expected * np.exp(-law.variance / 2)
        metrics["optimum"] = _expected_r2(target, best, variance, best)
        metrics["mae_optimum_bps"] = float(np.mean(np.abs(spread - median)))
        metrics["attainment"] = _expected_r2(target, best, variance, score) / metrics["optimum"]
    return metrics


def anomaly_metrics(bonds: pd.DataFrame, truth: pd.DataFrame | None, score: FloatArray) -> dict[str, float]:
    """Evaluate anomaly scores.

    Returns:
        `average_precision` over all kinds of error and `loss`, its distance from 1; if the truth is known also its
        `optimum` and the `attainment`, and for each kind among clean rows, such as `rating_typo`,
        `rating_typo_precision` and `rating_typo_optimum`.
    """
    strange = bonds["is_anomaly"].to_numpy(dtype=np.float64)
    if truth is None:
        return detection_metrics(strange, score)
    by_kind = kind_evidence(bonds)
    metrics = detection_metrics(strange, score, anomaly_evidence(by_kind))
    for kind, evidence in by_kind.items():
        rows = kind_rows(bonds, kind)
        metrics[f"{kind}_precision"] = average_precision(strange[rows], score[rows])
        metrics[f"{kind}_optimum"] = average_precision(strange[rows], evidence[rows])
    return metrics


def spread_attainment(panel: PanelLike, score: FloatArray, *, same_draw: bool = False) -> Attainment:
    """Compare R² of asinh(y / 10 bp) with its optimum, with an interval over issuers."""
    bonds = table_of(panel)
    truth = truth_rows(truth_of(panel), bonds)
    sound = sound_rows(bonds)
    known = truth[sound]
    target = to_learning_scale(bonds["spread_bps"].to_numpy(dtype=np.float64)[sound])
    law, expected = SpreadLaw(), known["s_opt"].to_numpy(dtype=np.float64)
    if same_draw:
        law, expected = same_draw_law(known)
    best, variance = law.moments(expected)
    score, issuer = score[sound], bonds["issuer_id"][sound].to_numpy()
    value, optimum = r_squared(target, score), _expected_r2(target, best, variance, best)
    reached = _expected_r2(target, best, variance, score)
    # The attainment is 1 - the squared distance from the best prediction, over what that explains of the variance.
    explained = np.square(target - target.mean()) - variance
    lost = intervals.ratio_interval(np.square(best - score), explained, issuer)
    low, high = (1.0 - lost.high, 1.0 - lost.low) if lost else (reached / optimum, reached / optimum)
    leak = loses_less(np.square(target - score), np.square(target - best), issuer)
    return Attainment(
        "R² of asinh(y/10)", value, optimum, reached / optimum, low, high, reached / optimum, leak, len(target)
    )


def anomaly_attainment(panel: PanelLike, score: FloatArray, *, same_draw: bool = False) -> Attainment:
    """Compare the average precision over all kinds of error with that of the optimal, likelihood-ratio score."""
    bonds = table_of(panel)
    truth = truth_rows(truth_of(panel), bonds)
    strange, issuer = bonds["is_anomaly"].to_numpy(dtype=np.float64), bonds["issuer_id"].to_numpy()
    if same_draw:
        law, expected = same_draw_law(truth)
        by_kind = evidence_under(bonds, law, expected / truth["s_opt"].to_numpy(dtype=np.float64))
    else:
        by_kind = kind_evidence(bonds)
    return detection_attainment(strange, score, anomaly_evidence(by_kind), issuer)


def sound_rows(bonds: pd.DataFrame) -> BoolArray:
    """Select the rows without an injected error; all rows if the table does not say."""
    if "is_anomaly" not in bonds:
        return np.ones(len(bonds), dtype=np.bool_)
    return np.asarray(bonds["is_anomaly"] == 0)


def kind_rows(bonds: pd.DataFrame, kind: str) -> BoolArray:
    """Select clean rows, and rows with one kind of error."""
    return np.asarray(bonds["anomaly_type"].isin(("none", kind)))


def _expected_r2(target: FloatArray, best: FloatArray, variance: FloatArray, score: FloatArray) -> float:
    """R² with each squared residual replaced by its expectation, which label noise cannot move."""
    misses = variance + np.square(best - score)
    total = float(np.sum(np.square(target - target.mean())))
    return float(1 - np.sum(misses) / total) if total else math.nan
