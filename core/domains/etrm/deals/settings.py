"""A session's settings for its deals. Light to import."""

from typing import Annotated

import msgspec
from msgspec import Meta


class DealSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The market that a session's deals live in, and the injected faults."""

    n_years: Annotated[int, Meta(ge=1, le=10, description="Years of prices.")] = 3
    missing_rate: Annotated[float, Meta(ge=0, le=0.3, description="Share of numbers left empty.")] = 0.003
    off_market_share: Annotated[float, Meta(ge=0, le=0.5, description="Share of deals, by count.")] = 0.02
    score_noise: Annotated[float, Meta(ge=0, le=5, description="Sd of a score's noise, in log odds.")] = 0.3
    utilisation_shift: Annotated[float, Meta(ge=-3, le=3, description="Added to the log of utilisation.")] = 0.0
    identity_error_rate: Annotated[
        float, Meta(ge=0, le=1, description="Share of deals whose value contradicts their prices.")
    ] = 0.0
