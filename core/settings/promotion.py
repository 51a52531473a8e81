"""`policy.promotion`: what a version must show before it may serve, and who must have looked at it."""

from typing import Annotated

import msgspec
from msgspec import Meta


class PromotionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Gates between Staging and Production."""

    min_accuracy: Annotated[
        float, Meta(ge=0, le=1, description="Least attainment: the share of the best attainable score, 0 to 1.")
    ] = 0.85
    accuracy_metric: Annotated[
        str,
        Meta(min_length=1, description="The metric both judge; auto: attainment, else accuracy, else r2, if there."),
    ] = "auto"
    max_attainment_drop: Annotated[
        float, Meta(ge=0, le=1, description="Most attainment a version may lose against the one it replaces.")
    ] = 0.02
    max_drift: Annotated[
        float,
        Meta(ge=0, description="Most drift (largest index of a feature) a version may be registered with."),
    ] = 0.1
    require_drift_check: Annotated[
        bool, Meta(description="Refuse a version whose drift was never measured; else max_drift judges where it was.")
    ] = False
    require_explainability: Annotated[
        bool, Meta(description="Refuse a version whose report does not say which features it rests on.")
    ] = False
    required_approvals: Annotated[
        int,
        Meta(ge=0, le=10, description="Persons, other than who registered or promotes it, who must approve a version."),
    ] = 0
    require_quality_gates: Annotated[
        bool, Meta(description="Refuse a version whose training data failed a blocking quality gate.")
    ] = True
    require_verified_artifact: Annotated[
        bool, Meta(description="Hash every file of the artifact again before it may serve.")
    ] = True
