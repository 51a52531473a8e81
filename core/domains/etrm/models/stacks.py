"""Stacks of the models of deals: the risk score of a deal, and the chance of a breach of its book, for each other.

Neither model reads a column that is computed from the other's label, so nothing is withheld from their members.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from core.domains.etrm.models.risk import BreachModel, RiskModel
from core.models.model_stack import ModelStack
from core.models.supervised import SupervisedModel

BASES: Mapping[str, type[SupervisedModel]] = MappingProxyType({kind.name: kind for kind in (RiskModel, BreachModel)})


class RiskStack(ModelStack, RiskModel):
    """The risk score of a deal, from the answers of both models."""

    base_models: ClassVar[Mapping[str, type[SupervisedModel]]] = BASES


class BreachStack(ModelStack, BreachModel):
    """The probability that a book breaches a limit, from the answers of both models."""

    base_models: ClassVar[Mapping[str, type[SupervisedModel]]] = BASES
