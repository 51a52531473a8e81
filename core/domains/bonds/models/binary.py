"""Models that give the probability of an event: a downgrade within twelve months, a liquidity shock within one."""

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import FloatArray
from core.domains.bonds.models import designs
from core.domains.bonds.models.attainment import probability_attainment, probability_metrics
from core.domains.bonds.models.bond_model import BondModel
from core.models.interface import Attainment, PanelLike, table_of, truth_of


class BinaryBondModel(BondModel):
    """Classification of an event that occurs or does not.

    Attributes:
        truth_column: The column of the panel's truth that holds the event's true probability.
    """

    task = "classification"
    link = "classification"
    unit = "probability"
    tuned = {"learning_rate": 0.05, "num_leaves": 7, "first_trees": 60, "trees_per_epoch": 10, "max_trees": 160}
    truth_column: str

    @override
    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return table

    @override
    def target(self, rows: pd.DataFrame) -> FloatArray:
        return rows[self.label].to_numpy(dtype=np.float64)

    @override
    def answer(self, score: FloatArray) -> FloatArray:
        return 1.0 / (1.0 + np.exp(-score))

    @override
    def judged_rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return self.rows(table)

    @override
    def evaluate(self, panel: PanelLike | pd.DataFrame) -> dict[str, float]:
        rows = self.rows(table_of(panel))
        return probability_metrics(
            rows, truth_of(panel), self.score(rows), label=self.label, truth_column=self.truth_column
        )

    @override
    def attainment(self, panel: PanelLike, *, seed: int, same_draw: bool = False) -> Attainment:
        rows = self.rows(panel.frame)
        return probability_attainment(
            rows, truth_of(panel), self.score(rows), label=self.label, truth_column=self.truth_column
        )


class DowngradeModel(BinaryBondModel):
    """A downgrade by one notch or more, or a default, within twelve months.

    It learns from one row per issuer and date: more rows would only repeat an issuer's label.
    """

    name = "downgrade"
    label = "downgrade_12m"
    truth_column = "p_down"
    design = designs.DOWNGRADE

    @override
    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.drop_duplicates(["issuer_id", "as_of_date"])


class LiquidityShockModel(BinaryBondModel):
    """A collapse of a bond's liquidity within a month; one row per bond and date."""

    name = "liquidity_shock"
    label = "liquidity_shock_1m"
    truth_column = "p_liq"
    design = designs.LIQUIDITY_SHOCK
