"""The common part of the bond models with a label: the keys of rows, and the fields of a request."""

from typing_extensions import override

from core.domains.bonds.serving_fields import field_of
from core.models.algorithms import MODEL_STACKING, SUPERVISED
from core.models.scoring.fields import Field
from core.models.supervised import SupervisedModel


class BondModel(SupervisedModel):
    """A model that predicts a label of bonds."""

    algorithms = (*SUPERVISED, MODEL_STACKING)
    keys = ("issuer_id", "as_of_date")
    groups = "issuers"
    synonyms = {"issuer_correlation": "group_correlation"}

    @classmethod
    @override
    def field(cls, name: str, levels: tuple[str, ...] | None) -> Field:
        return field_of(name, levels)
