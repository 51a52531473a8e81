"""Every constant of the synthetic bond market: its value, unit, grade and source, in one place.

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
        "SP": "S&P Global Ratings, Annual Global Corporate Default and Rating Transition Study, 2021-2024 editions",
        "SPO": "S&P, Use of CreditWatch and Outlooks (2009)",
        "MDY-M": "Moody's, U.S. Municipal Bond Defaults and Recoveries 1970-2009 (2010)",
        "MDY-R": "Moody's, Annual Default Study 1920-2017 (2018)",
        "DAM": "A. Damodaran, Ratings, Interest Coverage Ratios and Default Spread, NYU Stern, three vintages",
        "ICE": "ICE BofA indices through FRED: BAMLC0A1CAAA, BAMLC0A4CBBB, BAMLH0A0HYM2 (statistics only)",
        "FRB": "Federal Reserve, Supervisory Stress Test scenarios, historic tables 1990Q1-2025Q3",
        "GOV": "OECD Main Economic Indicators: three-month interbank and ten-year government rates, 1999-2024",
        "GBI": "J.P. Morgan GBI-EM Global Diversified, index yield, 2003-2024",
        "ICMA": "Market convention: optional redemption at par on 30 days' notice; quotes of callable bonds to worst",
        "FEDS20": "FEDS Notes, 7 October 2020, accessible data",
        "EHP": "Edwards, Harris and Piwowar, Journal of Finance, 2007",
        "HAR": "Harris, Transaction Costs, Trade Throughs, and Riskless Principal Trading, 2015 (SSRN)",
        "SIFMA": "SIFMA, Quarterly Report, US Fixed Income, 2Q23",
        "Greenwich": "Coalition Greenwich, market-structure note, March 2021",
        "DFL": "Dick-Nielsen, Feldhütter and Lando, Journal of Financial Economics, 2012",
        "HPW": "Hull, Predescu and White, Journal of Credit Risk, 2005",
        "BKR": "Berg, Kölbel and Rigobon, Review of Finance, 2022; Zumente and Lāce, 2021",
        "Duffee": "Duffee, Journal of Finance, 1998",
        "CT": "Campbell and Taksler, Journal of Finance, 2003",
        "LS": "Lando and Skødeberg, Journal of Banking and Finance, 2002 (rating momentum)",
        "DEHS": "Duffie, Eckner, Horel and Saita, Journal of Finance, 2009 (frailty)",
    }
)


class Sector(NamedTuple):
    """Where a sector's issuers start on the rating scale, and how it prices and swings."""

    name: str
    mean_notch: float
    sd_notch: float
    ln_spread: float
    cyclicality: float
    weight: float


class CurrencyCurve(NamedTuple):
    """The base curve of a currency: its long-run ends, how far it follows the dollar, and its own swings."""

    rate: float
    rate_beta: float
    rate_sd: float
    slope: float
    slope_beta: float
    slope_sd: float


class Region(NamedTuple):
    """How a region shifts ratings, spreads and sustainability scores."""

    name: str
    notch_shift: float
    ln_spread: float
    weight: float
    esg_shift: float
    emerging: bool


def _table(**values: float) -> Mapping[str, float]:
    return MappingProxyType(values)


# --- shape of the panel -----------------------------------------------------------------------------------------
LAST_YEAR = Constant(2025, "calendar year", "J", "OWN", "the panel ends in December of this year")
LIFE_YEARS = Constant((2, 5), "years, both ends included, uniform", "J", "OWN")
BONDS_PER_ISSUER = Constant((1, 4), "bonds, both ends included, uniform", "J", "OWN")
ROWS_PER_ISSUER = Constant(8.75, "rows", "J", "OWN", "mean life times mean number of bonds, before default")
HISTORY_YEARS = Constant(15, "years", "J", "OWN", "macro path before the panel, for rates at issue")
MACRO_MEAN_CYCLE = Constant(0.35, "sd of Z", "J", "OWN", "largest absolute mean of the cycle over the panel")
MACRO_MAX_CYCLE = Constant((2.0, 4.2), "sd of Z", "J", "OWN", "the worst month: a crisis, not an apocalypse")
MACRO_SD_CYCLE = Constant((0.7, 1.3), "sd of Z", "J", "OWN")

# --- sectors, regions, currencies, seniority -----------------------------------------------------------------------
SECTORS = Constant(
    (
        Sector("sovereign", 8, 5, -0.25, 0.4, 0.12),
        Sector("supranational_agency", 2, 1.5, -0.35, 0.1, 0.03),
        Sector("banks", 7, 3, 0.10, 1.0, 0.14),
        Sector("insurance", 7, 2.5, 0.02, 0.6, 0.05),
        Sector("diversified_financials", 9, 3, 0.12, 1.1, 0.05),
        Sector("real_estate", 9.5, 2.8, 0.15, 1.2, 0.05),
        Sector("utilities", 8, 2.5, -0.08, 0.3, 0.07),
        Sector("energy", 10.5, 3.5, 0.12, 1.6, 0.07),
        Sector("materials_mining", 10.5, 3, 0.08, 1.4, 0.05),
        Sector("industrials", 10, 3.2, -0.02, 1.0, 0.07),
        Sector("autos", 10.5, 3, 0.10, 1.6, 0.03),
        Sector("consumer_staples", 9, 3, -0.08, 0.4, 0.05),
        Sector("consumer_discretionary", 11.5, 3, 0.08, 1.4, 0.05),
        Sector("healthcare", 9, 3.2, -0.04, 0.4, 0.05),
        Sector("technology", 8.5, 3.4, -0.03, 0.8, 0.05),
        Sector("tech_startup", 15, 1.6, 0.30, 1.3, 0.03),
        Sector("telecom_media", 10.5, 3, 0.04, 0.7, 0.04),
        Sector("transportation", 10.5, 3, 0.05, 1.5, 0.03),
        Sector("distressed", 17.5, 1.2, 0.15, 1.2, 0.02),
    ),
    "notch index, notches, ln bp, 1, relative weight",
    "J",
    "OWN",
    "shaped on rating-agency sector medians",
)
REGIONS = Constant(
    (
        Region("north_america", 0, 0, 0.40, 0, False),
        Region("western_europe", -0.3, -0.03, 0.24, 6, False),
        Region("uk", -0.2, 0.02, 0.07, 6, False),
        Region("japan", -1.5, -0.25, 0.07, -5, False),
        Region("asia_ex_japan", 0.3, 0.06, 0.10, -5, False),
        Region("latin_america", 2.3, 0.18, 0.06, -5, True),
        Region("ceemea", 2.0, 0.16, 0.06, -5, True),
    ),
    "notches, ln bp, weight, ESG points, emerging market",
    "J",
    "OWN",
)
REGION_SHIFT_DAMPED = Constant(
    (("supranational_agency", "tech_startup", "distressed"), 0.2), "share of the notch shift", "J", "OWN"
)
COUNTRIES: Final = Constant(
    {
        "north_america": {"US": 0.88, "CA": 0.12},
        "western_europe": {"FR": 0.27, "DE": 0.25, "NL": 0.15, "IT": 0.13, "ES": 0.12, "SE": 0.08},
        "uk": {"GB": 1.0},
        "japan": {"JP": 1.0},
        "asia_ex_japan": {"CN": 0.34, "KR": 0.18, "IN": 0.14, "AU": 0.14, "HK": 0.10, "SG": 0.10},
        "latin_america": {"BR": 0.34, "MX": 0.32, "CL": 0.14, "CO": 0.12, "PE": 0.08},
        "ceemea": {"TR": 0.20, "ZA": 0.20, "PL": 0.20, "SA": 0.20, "AE": 0.20},
    },
    "share within the region",
    "J",
    "OWN",
)
CURRENCIES: Final = Constant(
    {
        "north_america": {"USD": 0.93, "EUR": 0.05, "GBP": 0.02},
        "western_europe": {"EUR": 0.75, "USD": 0.20, "GBP": 0.05},
        "uk": {"GBP": 0.65, "USD": 0.25, "EUR": 0.10},
        "japan": {"JPY": 0.75, "USD": 0.25},
        "asia_ex_japan": {"USD": 0.75, "LOCAL_EM": 0.20, "EUR": 0.05},
        "latin_america": {"USD": 0.70, "LOCAL_EM": 0.25, "EUR": 0.05},
        "ceemea": {"USD": 0.60, "LOCAL_EM": 0.20, "EUR": 0.20},
    },
    "share within the region",
    "J",
    "OWN",
)
SENIORITY_SHARES = Constant(
    _table(secured=0.14, senior_unsecured=0.70, subordinated=0.11, junior_subordinated=0.05),
    "share of bonds",
    "J",
    "OWN",
    "sovereign and supranational bonds are always senior unsecured",
)
UNSECURED_SECTORS = Constant(("sovereign", "supranational_agency"), "sector names", "J", "OWN")

# --- instruments -----------------------------------------------------------------------------------------------------
TENORS = Constant(
    ((3, 0.08), (5, 0.26), (7, 0.20), (10, 0.28), (15, 0.05), (20, 0.04), (30, 0.09)), "years, share", "J", "OWN"
)
ENTRY_AGE_SHARE = Constant(0.45, "of the tenor", "J", "OWN", "largest age when a bond is first observed, uniform")
MAX_ENTRY_AGE = Constant(8.0, "years", "J", "OWN")
MIN_MATURITY = Constant(0.5, "years", "J", "OWN", "a bond this close to its end has left the panel")
CALLABLE_SHARE = Constant(_table(investment_grade=0.25, high_yield=0.60), "share of bonds", "J", "OWN")
FIRST_CALL_SHARE = Constant(0.5, "of the tenor", "J", "OWN", "no call before; 10NC5, 8NC4; make-whole calls never bind")
CALL_NOTICE = Constant(1 / 12, "years", "R", "ICMA", "of a call at par; a bond past its first call can leave this soon")
COUPON_NOISE = Constant(0.40, "%", "J", "OWN", "sd; independent of every spread effect, so that coupons leak none")
COUPON_STEP = Constant(0.125, "%", "J", "OWN")
RATING_AT_ISSUE = Constant(
    _table(worst=15, if_worse=14), "notch", "J", "OWN", "issuers below B- borrowed when they were healthier, at B"
)
MAX_COUPON = Constant(14.0, "%", "J", "OWN", "new issues above it are rare; the market shuts before")
FACES = Constant(
    _table(USD=1_000.0, EUR=100_000.0, GBP=100_000.0, JPY=100_000_000.0, LOCAL_EM=100_000.0), "currency", "J", "OWN"
)
ISSUE_SIZE = Constant(
    _table(median=550.0, sd=0.55, issuer_size=0.25), "USD m, ln, ln per sd of issuer size", "J", "OWN"
)
LOG_ASSETS = Constant(_table(mean=9.6, sd=1.3), "ln USD m", "J", "OWN", "issuer size factor in accounting units")

# --- rating scale and transitions ----------------------------------------------------------------------------------
RATINGS = Constant(
    (
        *("AAA", "AA+", "AA", "AA-", "A+", "A", "A-", "BBB+", "BBB", "BBB-"),
        *("BB+", "BB", "BB-", "B+", "B", "B-", "CCC+", "CCC", "CCC-", "CC", "C", "D"),
    ),
    "notch 0-20, then default",
    "T",
    "SP",
)
LETTERS = Constant(("AAA", "AA", "A", "BBB", "BB", "B", "CCC/C"), "letter grades of live notches", "T", "SP")
LETTER_SIZES = Constant((1, 3, 3, 3, 3, 3, 5), "notches per letter", "T", "SP")
FIRST_HIGH_YIELD = Constant(10, "notch index", "T", "SP", "BB+ is the first speculative grade")
LETTER_MATRIX = Constant(
    (
        (87.09, 9.05, 0.53, 0.05, 0.11, 0.03, 0.05, 0.00),
        (0.48, 87.32, 7.72, 0.46, 0.05, 0.06, 0.02, 0.02),
        (0.02, 1.56, 88.73, 4.97, 0.25, 0.11, 0.01, 0.05),
        (0.00, 0.08, 3.19, 86.72, 3.48, 0.42, 0.09, 0.15),
        (0.01, 0.02, 0.10, 4.52, 78.12, 6.66, 0.53, 0.60),
        (0.00, 0.02, 0.06, 0.15, 4.54, 74.73, 4.81, 3.18),
        (0.00, 0.00, 0.09, 0.16, 0.49, 13.42, 43.91, 26.55),
    ),
    "% per year, rest not rated",
    "T",
    "SP",
    "global corporates; edition to be confirmed (R). The target of the fit",
)
LETTER_MATRIX_CHECK = Constant(
    (
        (87.65, 8.48, 0.61, 0.01, 0.03, 0.0, 0.0, 0.0),
        (1.01, 82.26, 7.82, 0.34, 0.05, 0.02, 0.01, 0.02),
        (0.06, 2.78, 87.05, 5.21, 0.48, 0.09, 0.03, 0.05),
        (0.04, 0.19, 4.65, 84.40, 4.20, 0.79, 0.20, 0.17),
        (0.01, 0.06, 0.38, 5.66, 75.74, 7.25, 0.61, 1.13),
        (0.01, 0.04, 0.13, 0.35, 4.81, 73.50, 6.35, 4.37),
        (0.0, 0.02, 0.02, 0.14, 0.42, 7.53, 62.32, 16.71),
    ),
    "% per year, rest withdrawn",
    "V",
    "MDY-M",
    "a check only: the source's Aa row does not sum to 100",
)
LETTER_WEIGHTS = Constant(
    (
        (1.0,),
        (0.15, 0.30, 0.55),
        (0.28, 0.35, 0.37),
        (0.31, 0.36, 0.33),
        (0.27, 0.31, 0.42),
        (0.27, 0.38, 0.35),
        (0.62, 0.20, 0.08, 0.06, 0.04),
    ),
    "share of issuers within the letter",
    "J",
    "OWN",
)
DOWN_GIVEN_LIVE = Constant(
    (0.100, 0.124, 0.101, 0.073, 0.134, 0.104, 0.150), "per year, by letter", "T", "SP", "least squares on the matrix"
)
UP_GIVEN_LIVE = Constant(
    (0.0, 0.022, 0.041, 0.078, 0.129, 0.128, 0.300), "per year, by letter", "T", "SP", "least squares on the matrix"
)
DOWN_STEP_RATIO = Constant(
    (0.392, 0.395, 0.384, 0.483, 0.421, 0.416, 0.415), "ratio of a geometric law", "T", "SP", "fitted with the above"
)
UP_STEP_RATIO = Constant(
    (0.284, 0.284, 0.295, 0.302, 0.298, 0.320, 0.337),
    "ratio of a geometric law",
    "T",
    "SP",
    "fitted with the above; AAA, which cannot rise, repeats AA",
)
DEFAULT_RATE = Constant(
    (0.5, 0.9, 1.9, 2.5, 3.5, 4.8, 6.9, 9.9, 14, 23, 34, 54, 96, 165, 291, 596, 1783, 3328, 5348, 8500, 8500),
    "bp per year, by notch",
    "T",
    "SP",
    "log-linear through the letter rates",
)

# --- default term structure and recovery -----------------------------------------------------------------------------
LGD = Constant(
    _table(secured=0.46, senior_unsecured=0.62, subordinated=0.68, junior_subordinated=0.77),
    "share of par lost",
    "T",
    "MDY-R",
    "issuer-weighted post-default prices 1983-2017; confirm (R)",
)
EXPECTED_LOSS_CAP = Constant(0.77, "share of the spread anchor at five years", "R", "HPW", "the Caa share")
ANCHOR_MATURITY = Constant(5.0, "years", "J", "OWN")
MAX_TERM_YEARS = Constant(60, "years", "J", "OWN", "length of the default term structure")

# --- spread model ----------------------------------------------------------------------------------------------------
SPREAD_ANCHOR = Constant(
    (52, 59, 66, 75, 86, 98, 112, 129, 148, 185, 235, 290, 345, 411, 490, 660, 900, 1200, 1550, 2000, 2500),
    "bp at 5 years, neutral cycle, liquidity index 50",
    "J",
    "ICE,DAM",
)
LIQUIDITY_PREMIUM = Constant(
    (4, 4, 5, 6, 7, 8, 10, 12, 14, 18, 23, 30, 36, 42, 50, 61, 74, 90, 102, 115, 130), "bp, by notch", "R", "DFL"
)
MATURITY_EXPONENT = Constant(
    (("AAA", 0.28), ("BBB-", 0.25), ("BB", 0.12), ("B", 0.02), ("C", -0.10)),
    "power of T/5, linear between",
    "J",
    "OWN",
)
CYCLE_ON_SPREAD = Constant(0.38, "ln bp per sd of Z", "V", "ICE", "log sd .406 x elasticity .91-.94")
CYCLE_ON_LIQUIDITY_PREMIUM = Constant(0.55, "ln bp per sd of Z", "J", "OWN")
LIQUIDITY_INDEX_SCALE = Constant(_table(centre=50.0, scale=35.0), "index points", "J", "OWN")
SPREAD_EFFECTS = Constant(
    _table(
        leverage=0.16,
        coverage=-0.12,
        sentiment=-0.05,
        callable=0.05,
        policy_rate=-0.035,
        cpi=0.03,
        fx_vol=0.20,
        cyclicality=0.05,
        mean_cyclicality=0.9,
        subordinated=0.06,
        esg=-0.05,
    ),
    "ln bp per unit",
    "J",
    "Duffee,CT",
    "the sources give the signs",
)
OUTLOOK_ON_SPREAD = Constant(
    _table(stable=0.0, positive=-0.06, negative=0.10, watch_negative=0.22), "ln bp", "J", "OWN"
)
SOVEREIGN_SCALE = Constant(
    (0.12, 0.22, 0.40, 0.65, 0.95, 1.0, 1.0), "share of the corporate spread, by letter", "J", "OWN"
)
SUPRANATIONAL_SCALE = Constant(0.45, "share of the corporate spread", "J", "OWN")
SPREAD_SD = Constant(
    _table(issuer=0.17, issuer_year=0.10, bond=0.12, idiosyncratic=0.15, sector_month=0.08, region_month=0.05),
    "ln bp, sd of each part of m",
    "J",
    "OWN",
)

# --- liquidity -------------------------------------------------------------------------------------------------------
BID_ASK_BASE = Constant(
    (16, 18, 20, 22, 24, 26, 28, 30, 32, 35, 38, 42, 46, 50, 56, 64, 85, 105, 130, 160, 190),
    "bp of price, by notch",
    "J",
    "FEDS20,HAR,EHP",
)
BID_ASK_EFFECTS = Constant(
    _table(size=-0.22, age=0.16, maturity=0.18, cycle=0.36, noise=0.22, liq_shift=0.8), "ln bp per unit", "J", "EHP"
)
TURNOVER_EFFECTS = Constant(
    _table(median=0.75, high_yield=0.30, size=0.18, age=-0.22, noise=0.35, liq_shift=-0.3),
    "per year; ln per unit",
    "J",
    "SIFMA,Greenwich",
    "the level from 40.7 bn USD a day (V) on 10-11 tn outstanding (R)",
)
ZERO_TRADE_EFFECTS = Constant(
    _table(base=0.45, size=-0.16, turnover=-0.18, typical_turnover=0.6, noise=0.10), "share of days", "J", "OWN"
)
LIQUIDITY_INDEX = Constant(
    _table(
        slope=0.9,
        bid_ask=-0.6,
        typical_bid_ask=38.0,
        turnover=0.35,
        typical_turnover=0.55,
        size=0.30,
        zero_trade=-1.0,
        typical_zero_trade=0.42,
        intercept=0.15,
    ),
    "probit units",
    "J",
    "OWN",
)
TYPICAL_ISSUE_SIZE = Constant(500.0, "USD m", "J", "OWN")
TYPICAL_MATURITY = Constant(7.0, "years", "J", "OWN")

# --- other covariates ------------------------------------------------------------------------------------------------
LEVERAGE = Constant(_table(notch=0.10, sd=0.35), "ln debt/EBITDA (debt/GDP scale for sovereigns)", "J", "OWN")
COVERAGE = Constant(_table(top=14.0, notch=-0.155, sd=0.40), "EBIT/interest; ln per notch", "V", "DAM")
LEVERAGE_COVERAGE_CORRELATION = Constant(-0.4, "correlation", "J", "OWN")
PERSISTENCE = Constant(
    _table(fundamentals=0.7, esg=0.9), "annual autocorrelation", "J", "OWN", "of leverage and coverage, and of ESG"
)
ESG = Constant(
    _table(
        mean=55.0, notch=-1.0, centre_notch=9.0, sd=14.0, logit_sd=0.60, pillar_logit_sd=0.37, provider_correlation=0.51
    ),
    "points 0-100; sd of the logit of the score",
    "J",
    "BKR",
    "raters agree at .54-.61 (V); rating and region, which both raters see, add to the correlation given here",
)
ESG_MISSING = Constant(
    _table(size=-0.45, high_yield=0.6, emerging=0.5, thin_coverage=0.4, second_provider=0.30),
    "logit per unit; the last is a share",
    "J",
    "OWN",
)
ESG_THIN_SECTORS = Constant(("supranational_agency", "tech_startup"), "sector names", "J", "OWN")
OUTLOOK_SHARES = Constant(
    _table(stable=0.70, positive=0.08, negative=0.19, watch_negative=0.03), "share of issuer-years", "J", "OWN"
)
DEBT_DUE = Constant(
    _table(a=1.6, b=10.0, high=0.2386), "Beta law; share", "J", "OWN", "`high` is the 85th percentile of the law"
)
FUND_OWNERSHIP = Constant(_table(a=3.0, b=9.0, high_yield=0.08), "Beta law; share", "J", "OWN")
ALTERNATIVE_DATA = Constant(_table(web_traffic_correlation=0.3, news_per_year=6.0), "1; documents", "J", "OWN")
SATELLITE_SECTORS = Constant(("energy", "materials_mining"), "sector names", "J", "OWN")
DECOYS = Constant(
    ("web_traffic_z", "news_count", "satellite_activity", "supplier_stress"),
    "columns",
    "J",
    "OWN",
    "no effect on any label, so importance given to them is noise; web traffic follows sentiment at .3",
)
GAP = Constant(
    _table(signal=0.6, noise=0.8), "z", "J", "OWN", "market-implied gap: how much of it is issuer-year effect"
)

# --- macro factors: monthly Ornstein-Uhlenbeck -----------------------------------------------------------------------
MACRO_FACTORS = Constant(
    ("policy_rate", "cpi_yoy", "ln_fx_vol", "credit_cycle", "ln_vix", "slope"), "order", "J", "OWN"
)
MACRO_KAPPA = Constant((0.143, 0.53, 0.85, 0.36, 1.90, 0.22), "per year", "V", "FRB,ICE")
MACRO_THETA = Constant((2.7, 2.6, -2.407945608651872, 0.0, 3.22, 1.6), "%, %, ln, sd, ln, %", "V", "FRB,ICE")
MACRO_SIGMA = Constant((0.84, 1.55, 0.42, 0.8485281374238570, 0.72, 0.87), "per square root of a year", "V", "FRB,ICE")
MACRO_CORRELATION = Constant(
    (
        (1.00, 0.15, -0.07, -0.14, -0.19, -0.60),
        (0.15, 1.00, -0.15, -0.17, -0.04, 0.00),
        (-0.07, -0.15, 1.00, 0.15, 0.14, 0.00),
        (-0.14, -0.17, 0.15, 1.00, 0.48, 0.15),
        (-0.19, -0.04, 0.14, 0.48, 1.00, 0.00),
        (-0.60, 0.00, 0.00, 0.15, 0.00, 1.00),
    ),
    "correlation of innovations",
    "V",
    "FRB,ICE",
    "slope against rate and cycle is a judgement (J)",
)
POLICY_RATE_FLOOR = Constant(-0.5, "%", "J", "OWN")
CURRENCY_CURVES: Final = Constant(
    {
        "USD": CurrencyCurve(2.70, 1.0, 0.0, 1.60, 1.0, 0.0),
        "EUR": CurrencyCurve(1.65, 0.75, 0.9, 0.75, 0.6, 0.5),
        "GBP": CurrencyCurve(2.75, 0.85, 0.9, 0.50, 0.6, 0.5),
        "JPY": CurrencyCurve(0.20, 0.10, 0.3, 0.65, 0.2, 0.3),
        "LOCAL_EM": CurrencyCurve(6.00, 0.50, 1.3, 0.80, 0.3, 0.6),
    },
    "long-run three-month rate %, per dollar %, sd %; ten-year less three-month %, per dollar %, sd %",
    "R",
    "FRB,GOV,GBI",
    "the dollar's are the means of the macro factors; how far others follow it is a judgement (J)",
)
CURRENCY_OWN = Constant(
    _table(kappa=0.18, correlation=-0.6),
    "per year; of own rate and own slope",
    "J",
    "FRB",
    "between the dollar's own two",
)
TYPICAL_FX_VOL = Constant(0.09, "annualised", "V", "FRB")
BASE_CURVE = Constant(
    _table(decay=1.8, short_end=0.25, long_end=10.0), "years", "J", "OWN", "Nelson-Siegel through both ends"
)

# --- labels ----------------------------------------------------------------------------------------------------------
DOWNGRADE_EFFECTS = Constant(
    _table(
        negative=1.45,
        watch_negative=2.75,
        positive=-1.10,
        recent_downgrade=0.45,
        leverage=0.35,
        coverage=-0.25,
        weak_coverage=0.60,
        weak_coverage_below=-1.2,
        debt_due=0.50,
        debt_due_in_stress=0.40,
        cycle=0.45,
        cycle_cyclicality=0.15,
        gap=0.45,
        sentiment=-0.20,
    ),
    "logit per unit",
    "J",
    "SPO,LS",
    "outlook odds after the guide (R)",
)
FRAILTY_SD = Constant(0.25, "logit, common to a month", "J", "DEHS")
UPGRADE_EFFECTS = Constant(
    _table(fundamentals=-0.5, leverage=0.35, coverage=-0.25, cycle=0.45, gap=0.45, positive=1.2, negative=-0.9,
           watch_negative=-1.5),
    "logit per unit",
    "J",
    "SPO",
)  # fmt: skip
LIQUIDITY_SHOCK_EFFECTS = Constant(
    _table(
        base=-3.55,
        cycle=0.55,
        vix=0.35,
        typical_ln_vix=3.22,
        sd_ln_vix=0.365,
        bid_ask=0.30,
        typical_bid_ask=38.0,
        sd_ln_bid_ask=0.5,
        high_yield=0.25,
        fund_ownership=0.27,
        typical_fund_ownership=0.27,
        sd_fund_ownership=0.12,
        size=-0.20,
        age=0.15,
        dealer_inventory=-0.25,
    ),
    "logit per unit",
    "J",
    "OWN",
)

# --- injected anomalies -----------------------------------------------------------------------------------------------
ANOMALY_SHARES = Constant(
    _table(off_market=0.50, unit_error=0.10, stale_price=0.15, rating_typo=0.15, duplicate=0.10),
    "share of the injected rows that are not maturity errors",
    "J",
    "OWN",
)
OFF_MARKET_SHIFT = Constant((0.7, 1.6), "absolute ln bp, uniform, either sign", "J", "OWN")
UNIT_ERROR_FACTOR = Constant(100.0, "times or divided by", "J", "OWN")
RATING_TYPO_NOTCHES = Constant((4, 6), "notches, both ends included, either sign", "J", "OWN")
MATURITY_ERROR_DAYS = Constant(30, "days", "J", "OWN", "how long before observation or issue a wrong maturity lies")
MATURITY_ERROR_YEARS = Constant(120, "years", "J", "OWN", "how far ahead a wrong maturity lies")


def constants() -> dict[str, Constant[object]]:
    """Return every calibrated constant by its name."""
    return constants_in(globals())


@lru_cache(maxsize=1)
def digest() -> str:
    """Return the SHA-256 of all constants, so that a data set can name the calibration that made it."""
    return calibration_digest(constants())
