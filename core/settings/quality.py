"""The `quality_gates` block: what a data set must satisfy before a model may learn from it."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.settings.units import Percent


class QualityGates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Thresholds of the five gates, in percent where not said otherwise, and the names of further gates."""

    coverage_min: Annotated[Percent, Meta(description="Least share of required cells that hold a value, %.")] = 90.0
    esg_missing_max: Annotated[Percent, Meta(description="Most bonds without an ESG score, %.")] = 20.0
    liquidity_index_median_min: Annotated[
        float, Meta(ge=0, le=100, description="Least median of the liquidity index, on its scale of 0 to 100.")
    ] = 30.0
    negative_spreads_max: Annotated[Percent, Meta(description="Most bonds with a spread below zero, %.")] = 1.0
    maturity_anomalies_max: Annotated[
        Percent, Meta(description="Most bonds that mature before they are observed or issued, or past 100 years, %.")
    ] = 0.1
    custom_gates: Annotated[
        tuple[str, ...], Meta(description="Further gates by name, from installed packages (entry point bondx.gates).")
    ] = ()
