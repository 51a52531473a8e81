"""`policy.promotion`: the requirements for a version to serve, and the approvals it needs."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.settings.names import Name


class PromotionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Gates between Staging and Production."""

    min_accuracy: Annotated[
        float, Meta(ge=0, le=1, description="Minimum attainment: the share of the best attainable score, 0 to 1.")
    ] = 0.85
    accuracy_metric: Annotated[
        Name,
        Meta(description="The metric that both judge; auto: attainment, else accuracy, else r2."),
    ] = "auto"
    max_attainment_drop: Annotated[
        float, Meta(ge=0, le=1, description="Maximum loss of attainment against the replaced version.")
    ] = 0.02
    max_drift: Annotated[
        float,
        Meta(ge=0, description="Maximum drift (largest PSI of a feature) at registration."),
    ] = 0.1
    require_drift_check: Annotated[
        bool,
        Meta(
            description="Refuse a version without a drift measurement; else max_drift applies only to measured drift."
        ),
    ] = False
    require_explainability: Annotated[
        bool,
        Meta(
            description="Refuse a version without an explanation, whose contributions do not sum to its answers, or "
            "that a small tree imitates worse than min_fidelity says."
        ),
    ] = False
    min_fidelity: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="With require_explainability: minimum R² with which a small tree imitates the version; 0: any.",
        ),
    ] = 0.3
    required_approvals: Annotated[
        int,
        Meta(
            ge=0, le=10, description="Approvals required from persons who neither registered nor promote the version."
        ),
    ] = 0
    require_quality_gates: Annotated[
        bool, Meta(description="Refuse a version whose training data failed a blocking quality gate.")
    ] = True
    require_verified_artifact: Annotated[
        bool, Meta(description="Hash every file of the artifact again before it may serve.")
    ] = True
