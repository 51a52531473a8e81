"""The risk score of a deal, 0 to 1, and the chance that its book breaches its limit."""

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import FloatArray
from core.domains.etrm.models import designs
from core.domains.etrm.models.deal_model import DealModel
from core.models.algorithms import MODEL_STACKING, SUPERVISED
from core.models.interface import Attainment, Panel, PanelLike, table_of, truth_of

_EDGE = 1e-6  # scores are published with six decimals


class RiskModel(DealModel):
    """Regression of the log odds of the score."""

    name = "etrm_risk"
    task = "regression"
    label = "risk_score"
    algorithms = (*SUPERVISED, MODEL_STACKING)
    variants = {MODEL_STACKING: "core.domains.etrm.models.stacks:RiskStack"}
    link = "regression"
    unit = "score"
    truth_column = "log_odds"
    scale_name = "log odds of the score"
    curve = "logistic"
    design = designs.RISK

    @override
    def target(self, rows: pd.DataFrame) -> FloatArray:
        score = np.clip(rows[self.label].to_numpy(dtype=np.float64), _EDGE, 1 - _EDGE)
        return np.asarray(np.log(score / (1 - score)))

    @override
    def answer(self, score: FloatArray) -> FloatArray:
        return np.asarray(1.0 / (1.0 + np.exp(-score)))


class BreachModel(DealModel):
    """Classification: whether the book is over one of its limits today or within five days.

    It learns from one row per book and day: more rows would only repeat a label. It is judged on the books that are
    within their limits today: of the others the answer is known.
    """

    name = "etrm_breach"
    task = "classification"
    label = "limit_breach_5d"
    algorithms = (*SUPERVISED, MODEL_STACKING)
    variants = {MODEL_STACKING: "core.domains.etrm.models.stacks:BreachStack"}
    link = "classification"
    unit = "probability"
    truth_column = "breach_chance"
    design = designs.BREACH
    tuned = {"learning_rate": 0.05, "num_leaves": 7, "first_trees": 60, "trees_per_epoch": 10, "max_trees": 160}

    @override
    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.drop_duplicates(["book_id", "as_of_date"])

    @override
    def judged_rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return _within_limits(self.rows(table))

    @override
    def evaluate(self, panel: PanelLike | pd.DataFrame) -> dict[str, float]:
        return super().evaluate(Panel(_within_limits(table_of(panel)), truth_of(panel)))

    @override
    def attainment(self, panel: PanelLike, *, seed: int, same_draw: bool = False) -> Attainment | None:
        judged = Panel(_within_limits(table_of(panel)), truth_of(panel))
        return super().attainment(judged, seed=seed, same_draw=same_draw)


def _within_limits(deals: pd.DataFrame) -> pd.DataFrame:
    """Select the deals of books that are within their limits; all if no book is."""
    within = ~(deals["utilisation"] > 1)
    return deals[within] if within.any() else deals
