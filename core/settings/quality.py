"""The `quality_gates` block: the requirements on a data set before a model learns from it.

`limits` sets the limit of any gate of any domain. The four of bonds with keys of their own are older: they stand in
users' files and in stored sessions.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.settings.names import Name
from core.settings.units import Percent


class QualityGates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of gates, in percent where not said otherwise, and the names of further gates."""

    coverage_min: Annotated[Percent, Meta(description="Minimum share of required cells with a value, %.")] = 90.0
    esg_missing_max: Annotated[Percent, Meta(description="Maximum share of bonds without an ESG score, %.")] = 20.0
    liquidity_index_median_min: Annotated[
        float, Meta(ge=0, le=100, description="Minimum median of the liquidity index, on its scale of 0 to 100.")
    ] = 30.0
    negative_spreads_max: Annotated[Percent, Meta(description="Maximum share of bonds with a negative spread, %.")] = (
        1.0
    )
    maturity_anomalies_max: Annotated[
        Percent,
        Meta(description="Maximum share of bonds that mature before observation or issue, or past 100 years, %."),
    ] = 0.1
    limits: Annotated[
        dict[Name, Annotated[float, Meta(ge=-1e15, le=1e15)]],
        Meta(description="Limits of single gates of the domain by name, such as `duplicates: 3`."),
    ] = {}
    custom_gates: Annotated[
        tuple[Name, ...], Meta(description="Further gates by name, from installed packages (entry point bondx.gates).")
    ] = ()
