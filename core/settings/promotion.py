"""The `promotion` block: what a version must show before it may serve."""

from typing import Annotated

import msgspec
from msgspec import Meta


class PromotionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Gates between Staging and Production."""

    min_accuracy: Annotated[
        float, Meta(ge=0, le=1, description="Least attainment: the share of the best attainable score, 0 to 1.")
    ] = 0.85
    max_attainment_drop: Annotated[
        float, Meta(ge=0, le=1, description="Most attainment a version may lose against the one it replaces.")
    ] = 0.02
    require_quality_gates: Annotated[
        bool, Meta(description="Refuse a version whose training data failed a blocking quality gate.")
    ] = True
    require_verified_artifact: Annotated[
        bool, Meta(description="Hash every file of the artifact again before it may serve.")
    ] = True
