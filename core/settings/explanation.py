"""The `explanation` block: how versions are explained, and which columns must not appear."""

from typing import Annotated

import msgspec
from msgspec import Meta


class ExplanationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why versions answer as they do: contributions of columns, importances, and the columns that stay out."""

    rows: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="How many rows explain a version when it is registered. 0: it is not explained.",
        ),
    ] = 200
    background_rows: Annotated[
        int, Meta(ge=10, le=1_000, description="How many reference rows the background reading averages over.")
    ] = 100
    served_rows: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000,
            description="How many answered rows of a version each server process explains in a minute, chosen at "
            "random. Sums of contributions are kept, and no row. 0: none.",
        ),
    ] = 20
    denied_columns: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...],
        Meta(
            description="Columns, or patterns such as `customer_*`, that never appear in an explanation; what they "
            "contribute is one sum."
        ),
    ] = ()
    masked_columns: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...],
        Meta(
            description="Columns, or patterns such as `customer_*`, of which no value is shown or told: no level of a "
            "category, no end of a range, no slice. Personal columns are among them."
        ),
    ] = ()
