"""The `serving.log_features` block: which answered rows are kept, and for how long."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.settings.names import Name
from core.settings.patterns import is_named


class FeatureLogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sample of the answered rows, which estimates of performance and choices of labels read."""

    share: Annotated[
        float,
        Meta(ge=0, le=1, description="Share of the rows that is kept, by hashes of their request ids; 0: none."),
    ] = 0.0
    mask: Annotated[
        tuple[Name, ...],
        Meta(
            description="Fields that are never kept, by name (`client`) or pattern (`*_name`); personal and secret "
            "columns never are."
        ),
    ] = ()
    keep_days: Annotated[float, Meta(gt=0, le=3650, description="Days that rows are kept.")] = 30.0
    keep_rows: Annotated[int, Meta(ge=1, le=1_000_000_000, description="Rows kept at most, of all models.")] = 1_000_000

    def masks(self, field: str) -> bool:
        """Whether a field is never kept.

        >>> FeatureLogSettings(mask=("*_name",)).masks("client_name")
        True
        """
        return is_named(field, self.mask)
