"""The columns that a registered version reads, as far as slices of its requests need them."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from core.models.scoring.fields import Kind
    from core.registry import Registry


class ReadColumn(NamedTuple):
    """One column of a version's requests."""

    kind: "Kind"
    levels: tuple[str, ...] = ()  # of a category, the most frequent first where that is known
    is_closed: bool = False  # whether any other level is refused
    quantiles: tuple[float, ...] = ()  # of a number in the training rows, dividing them into equal parts, if stored

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.kind in ("float", "int", "bool")


def read_columns(registry: "Registry", model: str, version: str) -> dict[str, ReadColumn]:
    """Return the columns of a version by name; none for a model that does not declare them.

    The files are hashed before they are read, and a model without a stored signature is loaded.

    Raises:
        HashMismatchError: The files differ from the registered files.
        CoreError: The files cannot be read.
    """
    from core.domains.catalogue import load_model
    from core.models.scoring.fields import fields_of
    from core.tables.signature import TableSignature

    with registry.opened(model, version) as folder:
        signature = TableSignature.read(folder)
        scorer = load_model(folder).row_scorer() if signature is None else None
    if signature is not None:
        stored = {column.name: column for column in signature.columns}
        return {
            field.name: ReadColumn(
                field.kind,
                stored[field.name].common or field.categories,
                field.strict and bool(field.categories),
                stored[field.name].quantiles,
            )
            for field in fields_of(signature)
        }
    fields = () if scorer is None else scorer.fields
    return {
        field.name: ReadColumn(field.kind, field.categories, field.strict and bool(field.categories))
        for field in fields
    }
