"""The `attainment` block: whether a model of an own table is held against what it could learn."""

from typing import Annotated

import msgspec
from msgspec import Meta


class AttainmentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the attainment of a model trained on an own table is estimated."""

    tables: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="Tables drawn from the model's own law, from which its method learns again: 2 at least, and 8 "
            "is a good number. 0: the attainment is not estimated.",
        ),
    ] = 0
