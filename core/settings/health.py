"""The `health` section of the policy: from when on a live version is degraded, and from when on it fails."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.settings.units import PositiveShare


class HealthPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The limits at which the health of a live version changes."""

    window_minutes: Annotated[
        int, Meta(ge=1, le=1440, description="Errors and latencies are judged over this time, in minutes.")
    ] = 15
    min_requests: Annotated[
        int, Meta(ge=10, description="Fewer requests within that time do not say that a version is healthy.")
    ] = 50
    error_share: Annotated[
        PositiveShare, Meta(description="Share of failed requests from which a version is degraded.")
    ] = 0.01
    failing_error_share: Annotated[
        PositiveShare, Meta(description="Share of failed requests from which a version is failing.")
    ] = 0.1
    p95_ms: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="95 % of the answers are faster in a healthy version; by default from its usual p95."),
    ] = None
    latency_factor: Annotated[float, Meta(gt=1, description="That limit as a multiple of the usual p95.")] = 2.0
    latency_floor_ms: Annotated[
        float, Meta(gt=0, description="Smallest limit that comes from the usual p95, in milliseconds.")
    ] = 20.0
    max_age_days: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="A version that was registered longer ago is stale; null: no version is."),
    ] = 365.0

    def __post_init__(self) -> None:
        if self.error_share > self.failing_error_share:
            raise ValueError(
                f"error_share ({self.error_share:g}) must not be above failing_error_share "
                f"({self.failing_error_share:g}): a failing version is degraded, too"
            )
