"""Every constant of the panels of deals: its value, unit, grade and source, in one place.

The grades are those of `core.domains.calibrated`. All of them are judgements: what the labels follow from is stated
here, and nowhere else, so that the best possible model is known.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from core.domains.calibrated import Constant, calibration_digest, constants_in

SOURCES: Final[Mapping[str, str]] = MappingProxyType({"OWN": "Judgement of this project"})


def _table(**values: float) -> Mapping[str, float]:
    return MappingProxyType(values)


# --- books and their days ---------------------------------------------------------------------------------------
DEALS_PER_DAY = Constant(2.0, "deals, mean above the first", "J", "OWN", "Poisson; of one book on one day")
DAYS_PER_BOOK = Constant(2.0, "days, mean above the first", "J", "OWN", "Poisson")
LN_UTILISATION = Constant((-0.45, 0.45), "log: mean, sd", "J", "OWN", "of the limit that a book is nearer to")
VAR_LIMIT_BINDS = Constant(0.6, "share", "J", "OWN", "of book-days nearer to the limit of VaR than to that of exposure")
OTHER_LIMIT = Constant((0.3, 1.0), "share of the utilisation", "J", "OWN", "uniform; of the limit that is further away")
UTILISATION_CHANGE_SD = Constant(0.20, "log", "J", "OWN", "over the last five days")
PENDING_SHARE = Constant((1.2, 6.0), "beta: a, b", "J", "OWN", "open orders over the book's gross exposure")
GROSS_EXPOSURE = Constant((3.2, 0.9), "log of EUR m: mean, sd", "J", "OWN")
NET_SHARE = Constant((2.0, 3.0), "beta: a, b", "J", "OWN", "net over gross exposure")
VAR99_OVER_VAR95 = Constant((1.415, 0.15), "ratio: the normal one, sd of the log excess", "J", "OWN")
LIMIT_EUR = Constant((14.5, 0.6), "log of EUR: mean, sd", "J", "OWN")

# --- deals ------------------------------------------------------------------------------------------------------
GRADES: Final = ("A", "B", "C", "D", "E")
GRADE_SHARES = Constant(_table(A=0.25, B=0.32, C=0.24, D=0.13, E=0.06), "share", "J", "OWN", "of counterparties")
COLLATERAL_SHARE = Constant(0.45, "share", "J", "OWN", "deals under a collateral agreement")
CONCENTRATION = Constant((1.3, 7.0), "beta: a, b", "J", "OWN", "share of the book's exposure to the counterparty")
LN_LIQUIDATION_DAYS = Constant((0.5, 0.7), "log of days: mean, sd", "J", "OWN")
LN_EXPOSURE = Constant((0.2, 1.2), "log of EUR m: mean, sd", "J", "OWN", "current and potential exposure")
TENOR_MONTHS: Final = Constant(
    (1, 2, 3, 6, 12, 24, 36), "months", "J", "OWN", "the tenors of the simulated forward curves"
)
TENOR_SHARES = Constant((0.28, 0.17, 0.15, 0.14, 0.14, 0.08, 0.04), "share", "J", "OWN")
INSTRUMENT_SHARES = Constant(_table(spot=0.20, forward=0.28, future=0.30, swap=0.14, option=0.08), "share", "J", "OWN")
VENUE_SHARES = Constant(_table(exchange=0.45, OTF=0.20, OTC=0.35), "share", "J", "OWN")
FX_RATE = Constant(_table(EUR=1.0, USD=0.91), "EUR per unit of currency", "J", "OWN")
CANCELLED_SHARE = Constant(0.03, "share", "J", "OWN", "of deals; they weigh nothing")
VOLATILITY_DAYS = Constant(60, "days", "J", "OWN", "window of the realised volatility of the front month")

# --- what an empty cell hides, drawn by itself; the laws of the other columns that may lack are those above -----------
LN_VOLATILITY = Constant((-1.15, 0.25), "log: mean, sd", "J", "OWN", "as on simulated paths")
CURVE_SLOPE = Constant((0.0, 0.10), "log ratio: mean, sd", "J", "OWN", "as on simulated paths")

# --- the risk score: log odds, additive but for what is named -----------------------------------------------------
SCORE_INTERCEPT = Constant(-1.40, "log odds", "J", "OWN")
SCORE_SLOPES = Constant(
    _table(
        ln_notional=0.42,  # of volume times price, per log
        ln_volatility=0.85,
        ln_tenor=0.30,
        ln_exposure=0.35,
        ln_liquidation=0.30,
        utilisation=0.90,
        concentration=2.2,
        curve_slope=0.6,
    ),
    "log odds per unit",
    "J",
    "OWN",
)
SCORE_CENTRES = Constant(
    _table(ln_notional=13.5, ln_volatility=-1.0, ln_tenor=1.1, ln_exposure=0.2, ln_liquidation=0.5), "log", "J", "OWN"
)
SCORE_STRAIN = Constant((0.85, 2.5), "utilisation, log odds per unit above it", "J", "OWN", "near the limit")
MOST_UTILISATION = Constant(2.0, "utilisation", "J", "OWN", "beyond it a score no longer rises")
SCORE_CROWDING = Constant((0.25, 3.0), "concentration, log odds per unit above it", "J", "OWN", "one name too large")
SCORE_GRADES = Constant(_table(A=-0.9, B=-0.4, C=0.1, D=0.7, E=1.4), "log odds", "J", "OWN", "without collateral")
COLLATERAL_KEEPS = Constant(0.35, "share", "J", "OWN", "of the grade's effect under a collateral agreement")
HEDGE_EFFECT = Constant(-0.6, "log odds", "J", "OWN")
SCORE_INSTRUMENTS = Constant(_table(spot=-0.2, forward=0.0, future=-0.3, swap=0.1, option=0.4), "log odds", "J", "OWN")
OPTION_VOLATILITY = Constant(0.5, "log odds per log of volatility", "J", "OWN", "added for options")
SCORE_COMMODITIES = Constant(
    _table(POWER=0.35, GAS_TTF=0.15, GAS_HH=0.0, CRUDE=-0.2, COAL_API2=-0.1, CARBON=-0.05, LNG_JKM=0.2),
    "log odds",
    "J",
    "OWN",
)
SCORE_BOOKS = Constant(
    _table(
        POWER_DESK=0.0, GAS_DESK=0.05, OIL_DESK=-0.05, COAL_CARBON=0.0, LNG_DESK=0.1, ASSET_HEDGING=-0.25, PROP=0.4,
        OPTIONS=0.2,
    ),
    "log odds",
    "J",
    "OWN",
)  # fmt: skip
SCORE_BOOK_SD = Constant(0.30, "log odds", "J", "OWN", "unobserved, common to all deals of a book")
LEVELS: Final = ("low", "medium", "high", "critical")
LEVEL_CUTS: Final = Constant((0.25, 0.50, 0.75), "risk score", "J", "OWN", "a score at a cut has the higher level")

# --- a breach of the book's limit within five days -----------------------------------------------------------------
BREACH_LAW = Constant(
    _table(
        intercept=-1.5,
        ln_utilisation=3.2,
        utilisation_change=1.6,
        ln_book_volatility=0.9,
        pending_share=2.5,
        net_share=0.8,
        prop=0.5,
        frailty_sd=0.5,
    ),
    "log odds per unit; sd",
    "J",
    "OWN",
    "of a book within its limits today; its frailty is unobserved and integrated out",
)
BREACH_CENTRES = Constant(_table(ln_book_volatility=-1.0), "log", "J", "OWN")

# --- deal prices --------------------------------------------------------------------------------------------------
QUOTE_SCALE = Constant(
    _table(intercept=-6.2, ln_volatility=0.5, ln_liquidation=0.35, otc=0.5, otf=0.2, option=0.6),
    "log of the sd over the price unit",
    "J",
    "OWN",
    "how far sound deals lie from the market",
)
PRICE_FLOOR = Constant(5.0, "price units", "J", "OWN", "added to |market| so that a price near zero has a unit")
OFF_MARKET = Constant((2.5, 10.0), "sds of a sound deal", "J", "OWN", "uniform, either way")


@lru_cache(maxsize=1)
def constants() -> Mapping[str, Constant[object]]:
    """Return every constant by name."""
    return MappingProxyType(constants_in(globals()))


@lru_cache(maxsize=1)
def digest() -> str:
    """Return the SHA-256 of the calibration."""
    return calibration_digest(constants())
