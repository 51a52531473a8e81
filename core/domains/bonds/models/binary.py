"""Models that give the probability of an event: a downgrade within twelve months, a liquidity shock within one."""

import pandas as pd
from typing_extensions import override

from core.domains.bonds.models import designs
from core.domains.bonds.models.bond_model import BondModel
from core.models.algorithms import MODEL_STACKING


class BinaryBondModel(BondModel):
    """Classification of an event that occurs or does not."""

    task = "classification"
    link = "classification"
    unit = "probability"
    tuned = {"learning_rate": 0.05, "num_leaves": 7, "first_trees": 60, "trees_per_epoch": 10, "max_trees": 160}

    @override
    def judged_rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return self.rows(table)


class DowngradeModel(BinaryBondModel):
    """A downgrade by one notch or more, or a default, within twelve months.

    It learns from one row per issuer and date: more rows would only repeat an issuer's label.
    """

    name = "downgrade"
    variants = {MODEL_STACKING: "core.domains.bonds.models.stacks:DowngradeStack"}
    label = "downgrade_12m"
    truth_column = "p_down"
    design = designs.DOWNGRADE

    @override
    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.drop_duplicates(["issuer_id", "as_of_date"])


class LiquidityShockModel(BinaryBondModel):
    """A collapse of a bond's liquidity within a month; one row per bond and date."""

    name = "liquidity_shock"
    variants = {MODEL_STACKING: "core.domains.bonds.models.stacks:LiquidityShockStack"}
    label = "liquidity_shock_1m"
    truth_column = "p_liq"
    design = designs.LIQUIDITY_SHOCK
