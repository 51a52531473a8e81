"""The fields of requests for bonds: the column dictionary of panels, and a model's known levels."""

from core.domains.bonds.data.columns import BY_NAME
from core.models.scoring.fields import Field


def field_of(name: str, levels: tuple[str, ...] | None = None) -> Field:
    """Describe a column of the dictionary as a request field."""
    column = BY_NAME[name]
    return Field(
        name=name,
        kind="text" if column.kind == "string" else column.kind,
        unit=column.unit,
        least=column.least,
        most=column.most,
        nullable=column.nullable or column.can_lack,
        categories=levels or (),
    )
