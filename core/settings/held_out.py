"""The `held_out` block: which rows a version keeps, so that its performance can be estimated without labels."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.settings.names import Name


class HeldOutSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rows that a version did not learn from, kept in its artifact with its answers and their outcomes."""

    rows: Annotated[
        int, Meta(ge=0, le=100_000, description="How many rows a version keeps at most. 0: it keeps none.")
    ] = 4_000
    masked: Annotated[
        tuple[Name, ...],
        Meta(
            description="Columns, or patterns such as `customer_*`, that are left out of these rows, such as "
            "personal data."
        ),
    ] = ()
