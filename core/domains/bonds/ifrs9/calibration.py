"""The numbers of the expected credit loss, each with its unit, grade and source."""

from collections.abc import Mapping
from types import MappingProxyType

from core.domains.bonds.data.calibration import SOURCES as DATA_SOURCES
from core.domains.calibrated import Constant

SOURCES: Mapping[str, str] = MappingProxyType(
    {**DATA_SOURCES, "IFRS9": "IFRS 9 Financial Instruments, as issued by the IASB; paragraphs in the notes"}
)

SCENARIO_WEIGHT = Constant({"base": 0.5, "up": 0.2, "down": 0.3}, "share", "J", "OWN")
SCENARIO_HAZARD = Constant(
    {"base": 1.0, "up": 0.7, "down": 1.6},
    "multiple of the default intensity of the notch matrix",
    "J",
    "OWN",
    "for the years of the forecast; then back to 1 in equal steps",
)
FORECAST_YEARS = Constant(3, "years", "J", "OWN", "IFRS 9 B5.5.50: reasonable and supportable")
REVERSION_YEARS = Constant(2, "years", "J", "OWN")
SICR_NOTCHES = Constant(3, "notches below the rating at origination", "J", "OWN")
SICR_NOTCHES_SPECULATIVE = Constant(2, "notches, from BB+ or lower", "J", "OWN")
SICR_LIFETIME_PD = Constant(2.5, "multiple of the lifetime PD at origination", "J", "OWN")
SICR_DAYS = Constant(30, "days past due", "R", "IFRS9", "5.5.11, a presumption that may be rebutted")
DEFAULT_DAYS = Constant(90, "days past due", "R", "IFRS9", "B5.5.37, likewise")
LGD_SHIFT = Constant(0.10, "share, of the sensitivity", "J", "OWN")
