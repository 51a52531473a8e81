"""The probability that an issuer is downgraded, by a notch or more or into default, within twelve months."""

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import FloatArray
from core.domains.bonds.models import designs
from core.domains.bonds.models.attainment import probability_attainment, probability_metrics
from core.domains.bonds.models.bond_model import BondModel
from core.models.interface import Attainment, PanelLike, table_of, truth_of

_TRUTH = "p_down"


class DowngradeModel(BondModel):
    """Classification on one row per issuer and date: an issuer's bonds share the label and would only repeat it."""

    name = "downgrade"
    task = "classification"
    label = "downgrade_12m"
    link = "classification"
    unit = "probability"
    design = designs.DOWNGRADE
    tuned = {"learning_rate": 0.05, "num_leaves": 7, "first_trees": 60, "trees_per_epoch": 10, "max_trees": 160}

    @override
    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.drop_duplicates(["issuer_id", "as_of_date"])

    @override
    def target(self, rows: pd.DataFrame) -> FloatArray:
        return rows[self.label].to_numpy(dtype=np.float64)

    @override
    def answer(self, score: FloatArray) -> FloatArray:
        return 1.0 / (1.0 + np.exp(-score))

    @override
    def evaluate(self, panel: PanelLike | pd.DataFrame) -> dict[str, float]:
        rows = self.rows(table_of(panel))
        return probability_metrics(rows, truth_of(panel), self.score(rows), label=self.label, truth_column=_TRUTH)

    @override
    def attainment(self, panel: PanelLike, *, seed: int, same_draw: bool = False) -> Attainment:
        rows = self.rows(panel.frame)
        return probability_attainment(
            rows, truth_of(panel), self.score(rows), label=self.label, truth_column=_TRUTH, seed=seed
        )
