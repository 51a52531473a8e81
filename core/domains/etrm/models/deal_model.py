"""The common part of the models of deals: the keys of rows, and the fields of a request."""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from core.domains.etrm.deals.columns import BY_NAME
from core.models.scoring.fields import Field
from core.models.supervised import SupervisedModel


class DealModel(SupervisedModel):
    """A model that predicts a label of deals. A request may leave out any field: the model imputes it."""

    keys = ("book_id", "as_of_date")
    groups = "books"
    synonyms: ClassVar[Mapping[str, str]] = {"book_correlation": "group_correlation"}

    @classmethod
    @override
    def field(cls, name: str, levels: tuple[str, ...] | None) -> Field:
        column = BY_NAME[name]
        return Field(
            name=name,
            kind="category" if levels is not None else "float" if column.kind == "float" else "bool",
            unit=column.unit,
            least=column.least,
            most=column.most,
            nullable=True,
            required=False,
            categories=levels or (),
        )
