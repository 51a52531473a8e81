"""The stage of an exposure, and why: performing, significantly riskier than at origination, or credit-impaired."""

import math
from enum import IntEnum
from typing import NamedTuple

from core.domains.bonds.data.ratings import DEFAULTED, cumulative_hazard, notch_index
from core.domains.bonds.ifrs9.calibration import (
    DEFAULT_DAYS,
    SICR_DAYS,
    SICR_LIFETIME_PD,
    SICR_NOTCHES,
    SICR_NOTCHES_SPECULATIVE,
)
from core.domains.bonds.ifrs9.exposures import CreditExposure


class CreditStage(IntEnum):
    """A stage of IFRS 9."""

    PERFORMING = 1
    RISEN = 2  # a significant increase in credit risk
    IMPAIRED = 3


class Staged(NamedTuple):
    """A stage, and its reason."""

    stage: CreditStage
    reason: str


def stage_of(exposure: CreditExposure) -> Staged:
    """Put an exposure into its stage; the first reason that applies is told.

    Source:
        IFRS 9 5.5.3, 5.5.11 and B5.5.37; the limits in notches and in lifetime PD are judgements (`calibration.py`).
    """
    if exposure.notch >= DEFAULTED:
        return Staged(CreditStage.IMPAIRED, "rated D")
    if exposure.is_impaired:
        return Staged(CreditStage.IMPAIRED, "credit-impaired")
    if exposure.days_past_due >= DEFAULT_DAYS.value:
        return Staged(CreditStage.IMPAIRED, f"{exposure.days_past_due:.0f} days past due")
    if exposure.days_past_due >= SICR_DAYS.value:
        return Staged(CreditStage.RISEN, f"{exposure.days_past_due:.0f} days past due")
    fallen = exposure.notch - exposure.origination_notch
    is_speculative = exposure.origination_notch >= notch_index("BB+")
    limit = SICR_NOTCHES_SPECULATIVE.value if is_speculative else SICR_NOTCHES.value
    if fallen >= limit:
        return Staged(CreditStage.RISEN, f"{fallen} notches below its rating at origination")
    if exposure.is_watched:
        return Staged(CreditStage.RISEN, "on watch negative")
    multiple = _lifetime_pd(exposure.notch, exposure.maturity) / _lifetime_pd(
        exposure.origination_notch, exposure.maturity
    )
    if multiple >= SICR_LIFETIME_PD.value:
        return Staged(CreditStage.RISEN, f"lifetime PD {multiple:.1f} times that at origination")
    return Staged(CreditStage.PERFORMING, "no significant increase in credit risk")


def _lifetime_pd(notch: int, years: float) -> float:
    """Return the probability of a default within some years on the path of the notch matrix."""
    table = cumulative_hazard()[notch]
    whole = int(years)
    hazard = float(table[whole] + (table[whole + 1] - table[whole]) * (years - whole))
    return -math.expm1(-hazard)
