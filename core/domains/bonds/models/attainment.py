"""The quality of a model, measured against the best possible model.

The data are synthetic, so the truth is known: the expected spread, the probability behind each label, the
law of the injected errors. It determines the best attainable score on the given rows, the *optimum*;
*attainment* is a model's share of it. A raw score alone says little: .84 is a poor R² here and a perfect AUC.

There are two optima. Effects common to a sector or a region in a month can be learned from other issuers of the same
draw; for rows of a training draw (`same_draw`) the optimum treats them as known.
"""

import numpy as np
import pandas as pd

from core import intervals
from core.arrays import AnyArray, BoolArray, FloatArray
from core.domains.bonds.models.optimal_anomaly import anomaly_evidence, evidence_under, kind_evidence
from core.domains.bonds.models.spread_law import UNIT_BPS, SpreadLaw, same_draw_law, to_learning_scale
from core.models.errors import UnknownTruthError
from core.models.interface import Attainment, PanelLike, table_of, truth_of
from core.models.ranking import auc, average_precision, expected_auc, log_loss


def spread_metrics(bonds: pd.DataFrame, truth: pd.DataFrame | None, score: FloatArray) -> dict[str, float]:
    """Evaluate spreads predicted on the scale of asinh(y / 10 bp), on rows without an injected error.

    Returns:
        `r2`, `mae_bps`, `loss`; if the truth is known also `optimum`, `mae_optimum_bps` and `attainment`.
    """
    sound = sound_rows(bonds)
    spread = bonds["spread_bps"].to_numpy(dtype=np.float64)[sound]
    target, score = to_learning_scale(spread), score[sound]
    metrics = {
        "r2": _r2(target, score),
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


def probability_metrics(
    rows: pd.DataFrame, truth: pd.DataFrame | None, score: FloatArray, *, label: str, truth_column: str
) -> dict[str, float]:
    """Evaluate log odds.

    Returns:
        `auc`, `log_loss`, `loss`; if the truth is known also `optimum` (AUC), `log_loss_optimum`, `attainment` and
        `gini_attainment`. The last two use the probability behind each label instead of the label itself.
    """
    happened = rows[label].to_numpy(dtype=np.float64)
    loss = log_loss(happened, score)
    metrics = {"auc": auc(happened, score), "log_loss": loss, "loss": loss}
    if truth is not None:
        chance = truth_rows(truth, rows)[truth_column].to_numpy(dtype=np.float64)
        optimum, reached = expected_auc(chance, chance), expected_auc(chance, score)
        metrics["optimum"] = optimum
        metrics["log_loss_optimum"] = log_loss(chance, np.log(chance / (1 - chance)))
        metrics["attainment"] = reached / optimum
        metrics["gini_attainment"] = (reached - 0.5) / (optimum - 0.5)
    return metrics


def anomaly_metrics(bonds: pd.DataFrame, truth: pd.DataFrame | None, score: FloatArray) -> dict[str, float]:
    """Evaluate anomaly scores.

    Returns:
        `average_precision` over all kinds of error and `loss`, its distance from 1; if the truth is known also its
        `optimum` and the `attainment`, and for each kind among clean rows, such as `rating_typo`,
        `rating_typo_precision` and `rating_typo_optimum`.
    """
    strange = bonds["is_anomaly"].to_numpy(dtype=np.float64)
    precision = average_precision(strange, score)
    metrics = {"average_precision": precision, "loss": 1.0 - precision}
    if truth is not None:
        by_kind = kind_evidence(bonds)
        metrics["optimum"] = average_precision(strange, anomaly_evidence(by_kind))
        metrics["attainment"] = precision / metrics["optimum"]
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
    value, optimum = _r2(target, score), _expected_r2(target, best, variance, best)
    reached = _expected_r2(target, best, variance, score)
    # The attainment is 1 - the squared distance from the best prediction, over what that explains of the variance.
    explained = np.square(target - target.mean()) - variance
    lost = intervals.ratio_interval(np.square(best - score), explained, issuer)
    low, high = (1.0 - lost.high, 1.0 - lost.low) if lost else (reached / optimum, reached / optimum)
    better = intervals.difference_interval(np.square(target - best) - np.square(target - score), issuer)
    leak = better is not None and better.low > 0
    return Attainment(
        "R² of asinh(y/10)", value, optimum, reached / optimum, low, high, reached / optimum, leak, len(target)
    )


def probability_attainment(
    rows: pd.DataFrame, truth: pd.DataFrame | None, score: FloatArray, *, label: str, truth_column: str
) -> Attainment:
    """Compare the AUC with that of the probability behind the label, with an interval over issuers."""
    happened, issuer = rows[label].to_numpy(dtype=np.float64), rows["issuer_id"].to_numpy()
    chance = truth_rows(truth, rows)[truth_column].to_numpy(dtype=np.float64)
    value, of_value = intervals.auc_influence(happened, score)
    best, of_best = intervals.auc_influence(happened, chance)
    optimum, of_optimum = intervals.auc_influence(chance, chance)
    reached, of_reached = intervals.auc_influence(chance, score)
    gap, of_gap = optimum - reached, of_optimum - of_reached
    lost = intervals.positive_interval(gap / optimum, of_gap / gap - of_optimum / optimum, issuer) if gap > 0 else None
    low, high = (1.0 - lost.high, 1.0 - lost.low) if lost else _unseen(issuer)
    leak = _is_better(value - best, of_value - of_best, issuer)
    gini = (reached - 0.5) / (optimum - 0.5)
    return Attainment("AUC", value, optimum, reached / optimum, low, high, gini, leak, len(rows))


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
    value, of_value = intervals.average_precision_influence(strange, score)
    optimum, of_optimum = intervals.average_precision_influence(strange, anomaly_evidence(by_kind))
    share = value / optimum
    found = intervals.positive_interval(share, of_value / value - of_optimum / optimum, issuer)
    low, high = found or _unseen(issuer)
    leak = _is_better(value - optimum, of_value - of_optimum, issuer)
    return Attainment("average precision", value, optimum, share, low, high, share, leak, len(strange))


def sound_rows(bonds: pd.DataFrame) -> BoolArray:
    """Select the rows without an injected error; all rows if the table does not say."""
    if "is_anomaly" not in bonds:
        return np.ones(len(bonds), dtype=np.bool_)
    return np.asarray(bonds["is_anomaly"] == 0)


def kind_rows(bonds: pd.DataFrame, kind: str) -> BoolArray:
    """Select clean rows, and rows with one kind of error."""
    return np.asarray(bonds["anomaly_type"].isin(("none", kind)))


def truth_rows(truth: pd.DataFrame | None, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the truth about some of a panel's rows, by their index.

    Raises:
        UnknownTruthError: The panel has no truth.
    """
    if truth is None:
        raise UnknownTruthError
    return truth if len(truth) == len(rows) else truth.loc[rows.index]


def _r2(target: FloatArray, score: FloatArray) -> float:
    return float(1 - np.sum(np.square(target - score)) / np.sum(np.square(target - target.mean())))


def _expected_r2(target: FloatArray, best: FloatArray, variance: FloatArray, score: FloatArray) -> float:
    """R² with each squared residual replaced by its expectation, which label noise cannot move."""
    misses = variance + np.square(best - score)
    return float(1 - np.sum(misses) / np.sum(np.square(target - target.mean())))


def _is_better(difference: float, influence: FloatArray, issuer: AnyArray) -> bool:
    """Whether a score beats the best possible score by more than chance."""
    found = intervals.difference_interval(influence * len(issuer), issuer)
    return difference > 0 and found is not None and found.low + difference > 0


def _unseen(issuer: AnyArray) -> tuple[float, float]:
    """The limits of a full attainment: at 95 % no more issuers than 1 - 0.05^(1/n) are unlike those seen."""
    unlike = 1.0 - 0.05 ** (1.0 / len(np.unique(issuer)))
    return 1.0 - unlike, 1.0 + unlike
