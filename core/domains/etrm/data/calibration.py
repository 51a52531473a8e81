"""Every constant of the synthetic energy market: its value, unit, grade and source, in one place.

The grades are those of `core.domains.calibrated`; a design judgement is free to change, here and nowhere else. No other
module of the generator holds a number of its own.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from core.domains.calibrated import Constant, calibration_digest, constants_in

SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "OWN": "Judgement of this project",
        "EIA": "U.S. Energy Information Administration, daily spot prices 2010-2026 (Henry Hub, Brent, WTI)",
        "EMBER": "Ember, European wholesale electricity prices, day-ahead, 2015 to January 2025 (CC BY 4.0)",
        "TTF": "ICE Endex, Dutch TTF gas, front month, October 2017 to January 2025",
        "EEX": "EEX, primary auctions of EU emission allowances, 2013-2024",
        "IMF": "IMF, Primary Commodity Prices, monthly",
        "SCHW": "Schwartz, Journal of Finance, 1997",
        "CF": "Cartea and Figueroa, Applied Mathematical Finance, 2005",
        "LS02": "Lucia and Schwartz, Review of Derivatives Research, 2002",
        "B76": "Black, Journal of Financial Economics, 1976",
        "CRE": "Basel Committee, current exposure method, add-on factors for other commodities",
        "MAR": "Basel Committee, MAR: back-testing against the P&L of unchanged positions",
        "ZIPF": "Zipf's law, exponent 1",
        "ISO": "ISO 17442 (LEI), shape and check digits",
    }
)


DAYS_IN_YEAR: Final = 365


class PriceLaw(NamedTuple):
    """The price process of a commodity: its level shift, short factor, jumps and long factor.

    Its rates are those of a year of `days_per_year` steps. Outside power, a step is a weekday; without holidays a
    calendar year has some 261 of them, so variances and jumps of a calendar year are 3.5 % more than stated.
    """

    shift: float
    kappa: float
    sigma: float
    jumps_per_year: float
    jump_sd: float
    jump_up_share: float
    sigma_long: float
    days_per_year: int

    @property
    def is_daily(self) -> bool:
        """Whether a price of its own is made on each calendar day, weekends included."""
        return self.days_per_year == DAYS_IN_YEAR


class Contract(NamedTuple):
    """What one lot of a commodity is: in units of delivery, or 1 MW in every hour of the delivery."""

    unit: str
    lot_units: float
    is_hourly: bool


class Hub(NamedTuple):
    """A delivery point: its level, how far it moves with its commodity's first hub, its share of trades."""

    name: str
    commodity: str
    region: str
    currency: str
    level: float
    loading: float
    jump_share: float
    weight: float


class Seen(NamedTuple):
    """Statistics measured on a public series; None where none was measured."""

    series: str
    kappa: float | None
    daily_sd: float | None
    jumps_per_year: float | None
    jump_sd: float | None


class Book(NamedTuple):
    """A trading book: its share of the trades, the commodities it trades, and how often a trade hedges."""

    name: str
    weight: float
    commodities: tuple[str, ...]
    hedge_share: float


def _table(**values: float) -> Mapping[str, float]:
    return MappingProxyType(values)


COMMODITIES: Final = ("POWER", "GAS_TTF", "GAS_HH", "CRUDE", "COAL_API2", "CARBON", "LNG_JKM")

# --- price processes --------------------------------------------------------------------------------------------
PRICE_LAWS: Final = Constant(
    MappingProxyType(
        {
            "POWER": PriceLaw(40.0, 160.0, 2.5, 20.0, 0.55, 0.35, 0.30, 365),
            "GAS_TTF": PriceLaw(0.0, 11.0, 0.45, 11.0, 0.15, 0.55, 0.35, 252),
            "GAS_HH": PriceLaw(0.0, 27.0, 0.57, 11.0, 0.28, 0.55, 0.25, 252),
            "CRUDE": PriceLaw(0.0, 6.6, 0.29, 8.0, 0.10, 0.45, 0.22, 252),
            "COAL_API2": PriceLaw(0.0, 1.0, 0.22, 3.0, 0.07, 0.50, 0.18, 252),
            "CARBON": PriceLaw(0.0, 16.0, 0.39, 6.0, 0.12, 0.45, 0.25, 252),
            "LNG_JKM": PriceLaw(0.0, 8.0, 0.45, 8.0, 0.15, 0.55, 0.28, 252),
        }
    ),
    "price units, 1/year, 1/√year, 1/year, log, share, 1/√year, days",
    "J",
    "EIA,EMBER,TTF,EEX,IMF",
    "a rounded compromise of the figures seen; coal and LNG are judged",
)
SEEN: Final = Constant(
    MappingProxyType(
        {
            "POWER": Seen("DE", 158.0, 0.107, 21.5, 0.56),
            "GAS_TTF": Seen("TTF", 10.8, 0.62 / 252**0.5, 11.7, 0.17),
            "GAS_HH": Seen("HH", 27.4, 0.57 / 252**0.5, 11.5, 0.30),
            "CRUDE": Seen("BRENT", 6.6, 0.29 / 252**0.5, 8.5, 0.11),
            "CARBON": Seen("EUA", 15.9, 0.39 / 252**0.5, 6.1, 0.13),
        }
    ),
    "1/year, log per day, 1/year, log",
    "V",
    "EIA,EMBER,TTF,EEX",
    "TTF .45 a year to mid-2021, .62 with the crisis; the shifted log of power",
)
SEEN_NEGATIVE_DAYS = Constant(0.008, "share of days of DE", "V", "EMBER")
SEEN_MEDIAN_HH = Constant(3.00, "USD/MMBtu", "V", "EIA")
SEEN_CORRELATIONS: Final = Constant(
    MappingProxyType(
        {
            ("BRENT", "WTI"): 0.91,
            ("DE", "FR"): 0.72,
            ("DE", "TTF"): 0.64,
            ("DE", "EUA"): 0.24,
            ("TTF", "HH"): 0.27,
        }
    ),
    "correlation of changes: weekly for the first two, monthly for the others",
    "V",
    "EIA,EMBER,TTF,EEX",
)
FORWARD_VOLATILITIES: Final = Constant(
    MappingProxyType({"POWER": (0.29, 0.28, 0.22), "GAS_TTF": (0.43, 0.32, 0.25), "CRUDE": (0.32, 0.22, 0.16)}),
    "1/√year at 1, 3 and 12 months",
    "J",
    "SCHW,CF,LS02",
    "what the laws above give",
)
LONG_KAPPA = Constant(0.30, "1/year", "J", "SCHW", "the slow factor of every commodity")
CORRELATIONS: Final = Constant(
    MappingProxyType(
        {
            ("POWER", "GAS_TTF"): 0.55,
            ("POWER", "CARBON"): 0.25,
            ("POWER", "COAL_API2"): 0.25,
            ("POWER", "LNG_JKM"): 0.35,
            ("GAS_TTF", "LNG_JKM"): 0.60,
            ("GAS_TTF", "GAS_HH"): 0.15,
            ("CRUDE", "LNG_JKM"): 0.15,
            ("GAS_TTF", "CARBON"): 0.16,
            ("CRUDE", "CARBON"): 0.16,
            ("COAL_API2", "GAS_TTF"): 0.30,
            ("COAL_API2", "LNG_JKM"): 0.25,
            ("COAL_API2", "CARBON"): 0.15,
            ("CRUDE", "GAS_TTF"): 0.08,
        }
    ),
    "correlation of innovations, of the short and of the long factors; 0 for the other pairs",
    "J",
    "EIA,EMBER,TTF,EEX,IMF",
)
SEASON_LOG: Final = Constant(
    MappingProxyType(
        {
            "POWER": (0.01, -0.04, -0.05, -0.09, -0.11, -0.03, 0.01, 0.07, 0.10, 0.01, 0.08, 0.05),
            "GAS_TTF": (0.01, -0.08, -0.03, -0.09, -0.17, -0.17, -0.11, 0.08, 0.14, 0.17, 0.13, 0.13),
            "GAS_HH": (0.08, 0.0, -0.07, -0.07, -0.02, 0.0, 0.0, 0.01, 0.01, 0.0, 0.01, 0.03),
        }
    ),
    "log, means of January to December",
    "V",
    "EMBER,TTF,EIA",
    "TTF 2017-2025, tinted by the crisis",
)
SEASON_LOG_JUDGED: Final = Constant(
    MappingProxyType(
        {
            "CRUDE": (-0.01, -0.01, 0.0, 0.01, 0.02, 0.02, 0.03, 0.02, 0.0, -0.02, -0.03, -0.03),
            "COAL_API2": (0.02, 0.01, 0.0, -0.02, -0.02, -0.01, 0.0, 0.0, 0.0, 0.01, 0.01, 0.0),
            "CARBON": (0.01, 0.02, 0.02, 0.01, 0.0, -0.01, -0.01, -0.02, -0.01, -0.01, 0.0, 0.0),
            "LNG_JKM": (0.08, 0.05, -0.02, -0.07, -0.07, -0.04, 0.0, 0.02, 0.02, 0.0, 0.01, 0.02),
        }
    ),
    "log, means of January to December",
    "J",
    "OWN",
    "at most .05 for crude and carbon",
)
WEEKDAY_LOG_POWER = Constant(
    (0.03, 0.07, 0.07, 0.06, 0.04, -0.09, -0.19), "log, Monday to Sunday, of the shifted price", "V", "EMBER"
)

# --- contracts and hubs -----------------------------------------------------------------------------------------
CONTRACTS: Final = Constant(
    MappingProxyType(
        {
            "POWER": Contract("MWh", 1.0, True),
            "GAS_TTF": Contract("MWh", 1.0, True),
            "GAS_HH": Contract("MMBtu", 10_000.0, False),
            "CRUDE": Contract("bbl", 1_000.0, False),
            "COAL_API2": Contract("t", 1_000.0, False),
            "CARBON": Contract("t", 1_000.0, False),
            "LNG_JKM": Contract("MMBtu", 10_000.0, False),
        }
    ),
    "units a lot; hourly: 1 MW in every hour of the delivery",
    "J",
    "EIA,EMBER,TTF,EEX",
    "the lots of the exchanges",
)
HUBS = Constant(
    (
        Hub("DE", "POWER", "europe", "EUR", 60.0, 1.0, 1.0, 0.40),
        Hub("FR", "POWER", "europe", "EUR", 61.0, 0.80, 0.7, 0.16),
        Hub("NL", "POWER", "europe", "EUR", 61.0, 0.90, 0.8, 0.10),
        Hub("IT", "POWER", "europe", "EUR", 72.0, 0.60, 0.5, 0.10),
        Hub("ES", "POWER", "europe", "EUR", 56.0, 0.45, 0.3, 0.06),
        Hub("NORDIC", "POWER", "europe", "EUR", 44.0, 0.50, 0.3, 0.06),
        Hub("PL", "POWER", "europe", "EUR", 70.0, 0.60, 0.4, 0.04),
        Hub("PJM", "POWER", "north_america", "USD", 42.0, 0.15, 0.0, 0.08),
        Hub("TTF", "GAS_TTF", "europe", "EUR", 28.0, 1.0, 1.0, 0.60),
        Hub("THE", "GAS_TTF", "europe", "EUR", 28.5, 0.97, 1.0, 0.18),
        Hub("PEG", "GAS_TTF", "europe", "EUR", 27.6, 0.96, 1.0, 0.08),
        Hub("NBP", "GAS_TTF", "uk", "EUR", 27.4, 0.92, 0.9, 0.14),
        Hub("HH", "GAS_HH", "north_america", "USD", 3.2, 1.0, 1.0, 0.75),
        Hub("AECO", "GAS_HH", "north_america", "USD", 2.3, 0.65, 0.5, 0.13),
        Hub("WAHA", "GAS_HH", "north_america", "USD", 2.4, 0.75, 0.6, 0.12),
        Hub("BRENT", "CRUDE", "europe", "USD", 76.0, 1.0, 1.0, 0.50),
        Hub("WTI", "CRUDE", "north_america", "USD", 72.0, 0.93, 1.0, 0.38),
        Hub("DUBAI", "CRUDE", "middle_east", "USD", 74.0, 0.94, 1.0, 0.12),
        Hub("ARA", "COAL_API2", "europe", "USD", 95.0, 1.0, 1.0, 0.50),
        Hub("RICHARDS_BAY", "COAL_API2", "africa", "USD", 90.0, 0.90, 0.8, 0.15),
        Hub("NEWCASTLE", "COAL_API2", "asia_pacific", "USD", 105.0, 0.80, 0.7, 0.35),
        Hub("EUA", "CARBON", "europe", "EUR", 68.0, 1.0, 1.0, 0.85),
        Hub("UKA", "CARBON", "uk", "EUR", 55.0, 0.75, 0.6, 0.15),
        Hub("JKM", "LNG_JKM", "asia_pacific", "USD", 11.0, 1.0, 1.0, 0.70),
        Hub("DES_NWE", "LNG_JKM", "europe", "USD", 10.4, 0.90, 0.8, 0.30),
    ),
    "currency per unit; correlation with the commodity's first hub; share of its jumps; share of its trades",
    "J",
    "OWN",
    "the levels of DE, TTF, HH, Brent, WTI, ARA, EUA and JKM after the public series",
)
EUR_USD = Constant(
    _table(mean=1.10, kappa=0.5, sigma=0.08, days_per_year=252),
    "USD per EUR, 1/year, 1/√year, days",
    "J",
    "OWN",
    "log mean-reverting",
)
HISTORY_DAYS = Constant(1_096, "calendar days", "J", "OWN", "prices before the first day, for VaR of 500 days")
TENOR_MONTHS = Constant((1, 2, 3, 6, 12, 24, 36), "months ahead", "J", "OWN", "of the forward curves in the file")
HORIZON_MONTHS = Constant(40, "months", "J", "OWN", "the last delivery lies nearer than this")

# --- trades -----------------------------------------------------------------------------------------------------
BOOKS = Constant(
    (
        Book("POWER_DESK", 0.24, ("POWER",), 0.15),
        Book("GAS_DESK", 0.20, ("GAS_TTF", "GAS_HH"), 0.15),
        Book("OIL_DESK", 0.14, ("CRUDE",), 0.10),
        Book("COAL_CARBON", 0.10, ("COAL_API2", "CARBON"), 0.20),
        Book("LNG_DESK", 0.08, ("LNG_JKM", "GAS_TTF"), 0.15),
        Book("ASSET_HEDGING", 0.14, ("POWER", "GAS_TTF", "COAL_API2", "CARBON"), 0.90),
        Book("PROP", 0.06, COMMODITIES, 0.0),
        Book("OPTIONS", 0.04, ("POWER", "GAS_TTF", "GAS_HH", "CRUDE"), 0.05),
    ),
    "relative weight, commodities, share of hedges",
    "J",
    "OWN",
    "options are traded in the book of that name alone",
)
OPTION_BOOK = Constant("OPTIONS", "book", "J", "OWN")
COMMODITY_WEIGHTS = Constant(
    _table(POWER=0.34, GAS_TTF=0.22, GAS_HH=0.10, CRUDE=0.16, COAL_API2=0.05, CARBON=0.08, LNG_JKM=0.05),
    "relative weight within a book",
    "J",
    "OWN",
)
INSTRUMENT_SHARES = Constant(
    _table(spot=0.22, forward=0.30, future=0.33, swap=0.15), "share, outside the option book", "J", "OWN"
)
DELIVERY_SHARES = Constant(
    _table(month=0.60, quarter=0.25, year=0.15), "share of forwards, futures and swaps", "J", "OWN"
)
MONTHS_AHEAD = Constant((0.28, 12), "chance that the next month is taken, most months", "J", "OWN", "geometric")
QUARTERS_AHEAD = Constant((0.50, 4), "chance that the next quarter is taken, most quarters", "J", "OWN", "geometric")
YEARS_AHEAD = Constant((0.75, 2), "chance that the next year is taken, most years", "J", "OWN", "geometric")
LOTS: Final = Constant(
    MappingProxyType(
        {
            "POWER": (10.0, 200.0),
            "GAS_TTF": (25.0, 600.0),
            "GAS_HH": (120.0, 1_500.0),
            "CRUDE": (150.0, 2_500.0),
            "COAL_API2": (20.0, 500.0),
            "CARBON": (40.0, 1_000.0),
            "LNG_JKM": (60.0, 1_000.0),
        }
    ),
    "lots: median, most",
    "J",
    "OWN",
    "a regular trade stays below every position limit",
)
LOTS_SD = Constant(0.8, "log", "J", "OWN")
COUNTERPARTIES = Constant(420, "names", "J", "OWN", "their shares follow Zipf's law")
COUNTERPARTY_EXPONENT = Constant(1.0, "exponent", "J", "ZIPF")
LEI_PREFIX = Constant("SYN0", "first characters", "J", "ISO", "no issuer of LEIs has this prefix")
TRADERS_PER_BOOK = Constant(6, "traders", "J", "OWN")
BROKERS = Constant((12, 0.6), "brokers, share of trades off exchange with one", "J", "OWN")
VENUE_SHARES: Final = Constant(
    MappingProxyType(
        {
            "spot": _table(exchange=0.7, OTF=0.0, OTC=0.3),
            "forward": _table(exchange=0.0, OTF=0.4, OTC=0.6),
            "future": _table(exchange=1.0, OTF=0.0, OTC=0.0),
            "swap": _table(exchange=0.0, OTF=0.5, OTC=0.5),
            "option": _table(exchange=0.5, OTF=0.0, OTC=0.5),
        }
    ),
    "share of an instrument's trades",
    "J",
    "OWN",
)
CLEARED_SHARES = Constant(_table(exchange=1.0, OTF=0.5, OTC=0.15), "share of a venue's trades", "J", "OWN")
CASH_SHARES = Constant(
    _table(spot=0.0, forward=0.0, future=0.7, swap=1.0, option=1.0), "share of an instrument's trades", "J", "OWN"
)
STATUS_SHARES = Constant(_table(new=0.93, amended=0.05, cancelled=0.02), "share of trades", "J", "OWN")
PRICE_NOISE: Final = Constant(
    _table(POWER=0.006, GAS_TTF=0.005, GAS_HH=0.004, CRUDE=0.003, COAL_API2=0.004, CARBON=0.004, LNG_JKM=0.006),
    "sd of the log of the shifted price against the curve",
    "J",
    "OWN",
)
OPTION_NOISE = Constant(0.02, "sd of the log premium against the model", "J", "OWN")
STRIKE_SPREAD = Constant((0.10, 0.05), "sd of the log strike to the forward; grid as share of the level", "J", "OWN")
PRICE_DECIMALS = Constant(4, "decimals", "J", "OWN")
STRIKE_DECIMALS = Constant(2, "decimals", "J", "OWN")
FEE_PER_UNIT: Final = Constant(
    _table(POWER=0.012, GAS_TTF=0.008, GAS_HH=0.0008, CRUDE=0.004, COAL_API2=0.015, CARBON=0.006, LNG_JKM=0.002),
    "currency per unit",
    "J",
    "OWN",
)
TRADING_HOURS = Constant((7, 17), "hours UTC", "J", "OWN")
REPORT_DELAY_HOURS = Constant(3.0, "hours, mean of an exponential law, cut at the deadline", "J", "OWN")

# --- injected violations ----------------------------------------------------------------------------------------
VIOLATION_SHARES = Constant(
    _table(late_report=0.01, missing_lei=0.005, limit_breach=0.005, wash_trade=0.002, off_market=0.003),
    "share of trades, met by count; wash trades: pairs per trade",
    "J",
    "OWN",
)
LATE_HOURS = Constant(
    (121.0, 400.0), "hours after the end of the next weekday, uniform", "J", "OWN", "past every run of holidays"
)
POSITION_LIMIT_LOTS = Constant(
    _table(HH=2_000, WTI=6_000, TTF=2_500), "lots of the spot month", "J", "OWN", "what a breaching trade exceeds"
)
LIMIT_EXCESS = Constant((1.05, 1.6), "times the limit, uniform", "J", "OWN")
OFF_MARKET_SDS = Constant((5.0, 30.0), "times the price noise, uniform, either sign", "J", "OWN")
WASH_SECONDS = Constant((5, 240), "seconds between the two trades", "J", "OWN")


# --- risk reports -----------------------------------------------------------------------------------------------
VAR_WINDOW = Constant(500, "weekdays", "J", "MAR", "scenarios of the historical VaR")
WEEKDAYS_IN_YEAR = Constant(252, "weekdays", "J", "OWN")
CREDIT_ADD_ON = Constant(0.10, "share of the gross uncleared value", "R", "CRE", "the potential exposure up to a year")
LIMIT_SAMPLE = Constant(4_000, "trades", "J", "OWN", "from which the limits of the books are set")
VAR_LIMIT = Constant(1.8, "times the VaR of the business planned", "J", "OWN")
EXPOSURE_LIMIT = Constant(4.0, "times the standard deviation of the business planned", "J", "OWN")
LEAST_LIMIT = Constant(10_000.0, "EUR", "J", "OWN")

# --- texts ------------------------------------------------------------------------------------------------------
DOCUMENT_SHARES = Constant(
    _table(trade=0.35, position=0.20, risk=0.20, compliance=0.15, market=0.10), "share of documents", "J", "OWN"
)
MOST_DOCUMENTS = Constant(20_000, "documents", "J", "OWN", "one for each trade up to this number")
WORDING_ODDS: Final = Constant(
    MappingProxyType({1: (1.0,), 2: (0.6, 0.4), 3: (0.5, 0.3, 0.2)}),
    "odds of the wordings, by their number",
    "J",
    "OWN",
)


def constants() -> dict[str, Constant[object]]:
    """Return every calibrated constant by its name."""
    return constants_in(globals())


@lru_cache(maxsize=1)
def digest() -> str:
    """Return the SHA-256 of all constants, so that a data set can name the calibration that made it."""
    return calibration_digest(constants())
