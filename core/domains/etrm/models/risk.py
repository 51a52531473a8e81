"""The risk score of a deal, 0 to 1, and the chance that its book breaches its limit."""

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import FloatArray
from core.domains.etrm.models import designs
from core.domains.etrm.models.deal_model import DealModel

_EDGE = 1e-6  # scores are published with six decimals


class RiskModel(DealModel):
    """Regression of the log odds of the score."""

    name = "etrm_risk"
    task = "regression"
    label = "risk_score"
    link = "regression"
    unit = "score"
    truth_column = "log_odds"
    design = designs.RISK

    @override
    def target(self, rows: pd.DataFrame) -> FloatArray:
        score = np.clip(rows[self.label].to_numpy(dtype=np.float64), _EDGE, 1 - _EDGE)
        return np.asarray(np.log(score / (1 - score)))

    @override
    def answer(self, score: FloatArray) -> FloatArray:
        return np.asarray(1.0 / (1.0 + np.exp(-score)))


class BreachModel(DealModel):
    """Classification: a breach of the book's limit within five days.

    It learns from one row per book and day: more rows would only repeat a label.
    """

    name = "etrm_breach"
    task = "classification"
    label = "limit_breach_5d"
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
        return self.rows(table)
