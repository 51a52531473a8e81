"""The credit spread of a bond, in basis points."""

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import FloatArray
from core.domains.bonds.data.columns import BY_NAME
from core.domains.bonds.models import designs
from core.domains.bonds.models.attainment import sound_rows, spread_attainment, spread_metrics
from core.domains.bonds.models.bond_model import BondModel
from core.domains.bonds.models.spread_law import UNIT_BPS, to_learning_scale
from core.models.algorithms import MODEL_STACKING
from core.models.errors import NotFittedError
from core.models.interface import Attainment, PanelLike, table_of, truth_of
from core.models.known_truth import truth_rows
from core.models.learners.algorithms import LINEAR
from core.models.learners.linear import LinearLearner


class SpreadModel(BondModel):
    """Regression of asinh(spread / 10 bp), robust against anomalous rows."""

    name = "spread"
    task = "regression"
    label = "spread_bps"
    variants = {MODEL_STACKING: "core.domains.bonds.models.stacks:SpreadStack"}
    withheld = frozenset({"market_implied_gap"})  # it carries the issuer's own spread
    link = "regression"
    unit = BY_NAME["spread_bps"].unit
    design = designs.SPREAD
    robust = True
    scale_name = "asinh(spread / 10 bp)"
    curve = "sinh"
    sinh_unit = UNIT_BPS

    @override
    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return table

    @override
    def target(self, rows: pd.DataFrame) -> FloatArray:
        return to_learning_scale(rows[self.label].to_numpy(dtype=np.float64))

    @override
    def answer(self, score: FloatArray) -> FloatArray:
        return UNIT_BPS * np.sinh(score)

    def expect(self, frame: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """Predict on the learning scale, and say how uncertain the prediction itself is.

        Returns:
            The score, and the variance of its error per variance of a residual; 0 without a linear candidate.

        Raises:
            NotFittedError: The model has learned nothing yet.
        """
        if not self.learners:
            raise NotFittedError(self.name)
        matrices = self.matrices(frame)
        linear = self.learners.get(LINEAR)
        doubt = linear.doubt(matrices.linear) if isinstance(linear, LinearLearner) else np.zeros(len(frame))
        return self.learners[self.shipping].score(matrices), doubt

    @override
    def evaluate(self, panel: PanelLike | pd.DataFrame) -> dict[str, float]:
        bonds = table_of(panel)
        return spread_metrics(bonds, truth_of(panel), self.score(bonds))

    @override
    def expected_answers(self, panel: PanelLike, rows: pd.DataFrame) -> FloatArray | None:
        truth = truth_of(panel)
        return None if truth is None else truth_rows(truth, rows)["s_opt"].to_numpy(dtype=np.float64)

    @override
    def judged_rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[sound_rows(table)]

    @override
    def attainment(self, panel: PanelLike, *, seed: int, same_draw: bool = False) -> Attainment:
        return spread_attainment(panel, self.score(panel.frame), same_draw=same_draw)
