"""Stacks of the bond models: the answers of spread, downgrade and liquidity shock as the columns of a meta-learner."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from typing_extensions import override

from core.arrays import FloatArray
from core.domains.bonds.models.binary import DowngradeModel, LiquidityShockModel
from core.domains.bonds.models.joint_stress import JointStressModel, expected_widening
from core.domains.bonds.models.spread import SpreadModel
from core.domains.bonds.models.spread_law import UNIT_BPS, VARIANCE
from core.models.model_stack import ColumnReader, ModelStack
from core.models.supervised import SupervisedModel

BASES: Mapping[str, type[SupervisedModel]] = MappingProxyType(
    {kind.name: kind for kind in (SpreadModel, DowngradeModel, LiquidityShockModel)}
)
UNKNOWN_RATING = 10.0  # the first speculative notch stands for a rating that a request leaves out


class SpreadStack(ModelStack, SpreadModel):
    """The spread, from the answers of all three models."""

    base_models: ClassVar[Mapping[str, type[SupervisedModel]]] = BASES


class DowngradeStack(ModelStack, DowngradeModel):
    """The probability of a downgrade, from the answers of all three models."""

    base_models: ClassVar[Mapping[str, type[SupervisedModel]]] = BASES


class LiquidityShockStack(ModelStack, LiquidityShockModel):
    """The probability of a liquidity shock, from the answers of all three models."""

    base_models: ClassVar[Mapping[str, type[SupervisedModel]]] = BASES


class JointStressStack(ModelStack, JointStressModel):
    """The joint stress score, from the answers of all three models on the scale of its own terms."""

    base_models: ClassVar[Mapping[str, type[SupervisedModel]]] = BASES
    adds_scores: ClassVar[bool] = False
    input_columns: ClassVar[tuple[str, ...]] = ("rating_num",)

    @override
    def inputs(self, scores: Mapping[str, FloatArray], column: ColumnReader) -> FloatArray:
        terms = {name: _chance(score) for name, score in scores.items() if name != SpreadModel.name}
        if (score := scores.get(SpreadModel.name)) is not None:
            # The model's answer is close to the median of the spread; the mean is exp(σ²/2) above it.
            mean = UNIT_BPS * np.sinh(score) * np.exp(VARIANCE / 2)
            rating = np.nan_to_num(column("rating_num"), nan=UNKNOWN_RATING)
            terms[SpreadModel.name] = expected_widening(mean, rating, tick_bps=0.0)
        return np.column_stack([terms[name] for name in scores])


def _chance(score: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0))))
