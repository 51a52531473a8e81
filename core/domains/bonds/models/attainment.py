"""The quality of a model, measured against the best possible model.

The data are synthetic, so the truth is known: the expected spread, the probability behind each label, the
law of the injected errors. It determines the best attainable score on the given rows, the *optimum*;
*attainment* is a model's share of it. A raw score alone says little: .84 is a poor R² here and a perfect AUC.

There are two optima. Effects common to a sector or a region in a month can be learned from other issuers of the same
draw; for rows of a training draw (`same_draw`) the optimum treats them as known.
"""

import numpy as np
import pandas as pd

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.models.optimal_scores import off_market_evidence
from core.domains.bonds.models.spread_law import UNIT_BPS, SpreadLaw, same_draw_law, to_learning_scale
from core.models.errors import UnknownTruthError
from core.models.interface import Attainment, PanelLike, table_of, truth_of
from core.models.ranking import auc, average_precision, expected_auc, log_loss

N_BOOTSTRAP = 200
INTERVAL = (0.025, 0.975)


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
        `average_precision` over all kinds of error and `loss`, its distance from 1; if the truth is known also
        `off_market_precision`, its `optimum` and the `attainment`: a likelihood ratio exists for off-market spreads.
    """
    strange = bonds["is_anomaly"].to_numpy(dtype=np.float64)
    precision = average_precision(strange, score)
    metrics = {"average_precision": precision, "loss": 1.0 - precision}
    if truth is not None:
        rows = off_market_rows(bonds)
        evidence = _evidence(bonds[rows], truth_rows(truth, bonds)[rows])
        metrics["off_market_precision"] = average_precision(strange[rows], score[rows])
        metrics["optimum"] = average_precision(strange[rows], evidence)
        metrics["attainment"] = metrics["off_market_precision"] / metrics["optimum"]
    return metrics


def spread_attainment(panel: PanelLike, score: FloatArray, *, seed: int, same_draw: bool = False) -> Attainment:
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
    score = score[sound]
    by_issuer = _Sums(
        bonds["issuer_id"][sound],
        np.ones_like(target), target, target**2, (target - score) ** 2, (target - best) ** 2,
        variance + (best - score) ** 2, variance,
    )  # fmt: skip

    def measure(sums: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        n, total, squares, misses, best_misses, expected_misses, noise = sums
        spread = squares - total**2 / n
        return 1 - misses / spread, 1 - best_misses / spread, 1 - noise / spread, 1 - expected_misses / spread

    value, _, optimum, reached = measure(by_issuer.total())
    values, best_values, optima, shares = measure(by_issuer.resampled(seed))
    low, high = np.quantile(shares / optima, INTERVAL)
    leak = bool(np.quantile(values - best_values, INTERVAL[0]) > 0)
    return Attainment(
        "R² of asinh(y/10)", float(value), float(optimum), float(reached / optimum), float(low), float(high),
        float(reached / optimum), leak, len(target),
    )  # fmt: skip


def probability_attainment(
    rows: pd.DataFrame, truth: pd.DataFrame | None, score: FloatArray, *, label: str, truth_column: str, seed: int
) -> Attainment:
    """Compare the AUC with that of the probability behind the label, with an interval over issuers."""
    happened = rows[label].to_numpy(dtype=np.float64)
    chance = truth_rows(truth, rows)[truth_column].to_numpy(dtype=np.float64)

    def measure(weight: FloatArray) -> tuple[float, float, float, float]:
        return (
            auc(happened, score, weight),
            auc(happened, chance, weight),
            expected_auc(chance, chance, weight),
            expected_auc(chance, score, weight),
        )

    value, _, optimum, reached = measure(np.ones(len(rows)))
    drawn = np.array([measure(weight) for weight in _issuer_weights(rows["issuer_id"], seed)])
    low, high = np.quantile(drawn[:, 3] / drawn[:, 2], INTERVAL)
    leak = bool(np.quantile(drawn[:, 0] - drawn[:, 1], INTERVAL[0]) > 0)
    gini = (reached - 0.5) / (optimum - 0.5)
    return Attainment("AUC", value, optimum, reached / optimum, float(low), float(high), gini, leak, len(rows))


def anomaly_attainment(panel: PanelLike, score: FloatArray, *, seed: int, same_draw: bool = False) -> Attainment:
    """Compare the average precision on off-market spreads with that of the optimal, likelihood-ratio score."""
    bonds = table_of(panel)
    truth = truth_rows(truth_of(panel), bonds)
    rows = off_market_rows(bonds)
    strange = bonds["is_anomaly"].to_numpy(dtype=np.float64)[rows]
    evidence, score = _evidence(bonds[rows], truth[rows], same_draw=same_draw), score[rows]

    def measure(weight: FloatArray) -> tuple[float, float]:
        return average_precision(strange, score, weight), average_precision(strange, evidence, weight)

    value, optimum = measure(np.ones(len(strange)))
    drawn = np.array([measure(weight) for weight in _issuer_weights(bonds["issuer_id"][rows], seed)])
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], INTERVAL)
    leak = bool(np.quantile(drawn[:, 0] - drawn[:, 1], INTERVAL[0]) > 0)
    share = value / optimum
    return Attainment("average precision", value, optimum, share, float(low), float(high), share, leak, len(strange))


def sound_rows(bonds: pd.DataFrame) -> BoolArray:
    """Select the rows without an injected error; all rows if the table does not say."""
    if "is_anomaly" not in bonds:
        return np.ones(len(bonds), dtype=np.bool_)
    return np.asarray(bonds["is_anomaly"] == 0)


def off_market_rows(bonds: pd.DataFrame) -> BoolArray:
    """Select clean rows and off-market rows, the kind of error with an exact likelihood ratio."""
    return np.asarray(bonds["anomaly_type"].isin(("none", "off_market")))


def truth_rows(truth: pd.DataFrame | None, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the truth about some of a panel's rows, by their index.

    Raises:
        UnknownTruthError: The panel has no truth.
    """
    if truth is None:
        raise UnknownTruthError
    return truth if len(truth) == len(rows) else truth.loc[rows.index]


def _evidence(bonds: pd.DataFrame, truth: pd.DataFrame, *, same_draw: bool = False) -> FloatArray:
    law, expected = SpreadLaw(), truth["s_opt"].to_numpy(dtype=np.float64)
    if same_draw:
        law, expected = same_draw_law(truth)
    low, high = cal.OFF_MARKET_SHIFT.value
    return off_market_evidence(bonds["spread_bps"].to_numpy(dtype=np.float64), expected, law, (low, high))


def _r2(target: FloatArray, score: FloatArray) -> float:
    return float(1 - np.sum(np.square(target - score)) / np.sum(np.square(target - target.mean())))


def _expected_r2(target: FloatArray, best: FloatArray, variance: FloatArray, score: FloatArray) -> float:
    """R² with each squared residual replaced by its expectation, which label noise cannot move."""
    misses = variance + np.square(best - score)
    return float(1 - np.sum(misses) / np.sum(np.square(target - target.mean())))


class _Sums:
    """Columns summed by issuer, so that resampling issuers is one product of matrices."""

    def __init__(self, issuer: pd.Series, *columns: FloatArray) -> None:
        code = pd.factorize(issuer)[0]
        self.table = np.stack([np.bincount(code, weights=column) for column in columns])

    def total(self) -> FloatArray:
        return np.asarray(self.table.sum(axis=1))

    def resampled(self, seed: int) -> FloatArray:
        """Sums over issuers drawn with replacement, shape (columns, N_BOOTSTRAP)."""
        n_issuers = self.table.shape[1]
        counts = np.random.default_rng(seed).multinomial(n_issuers, np.full(n_issuers, 1 / n_issuers), N_BOOTSTRAP)
        return np.asarray(self.table @ counts.T.astype(np.float64))


def _issuer_weights(issuer: pd.Series, seed: int) -> list[FloatArray]:
    """How often each row counts, with issuers drawn with replacement."""
    code: IntArray = pd.factorize(issuer)[0].astype(np.int64)
    n_issuers = int(code.max()) + 1
    counts = np.random.default_rng(seed).multinomial(n_issuers, np.full(n_issuers, 1 / n_issuers), N_BOOTSTRAP)
    return [row.astype(np.float64)[code] for row in counts]
