"""Every number and list of the compliance rules: its value, unit, grade and source, in one place.

The grades are those of `core.domains.calibrated`. The rules are simplified: they sort a desk's trades and support a
review; they are not legal advice.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from core.domains.calibrated import Constant, constants_in

SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "OWN": "RegimeJudgement of this project",
        "REMIT": "Regulation (EU) 1227/2011, as amended by Regulation (EU) 2024/1106",
        "REMIT-IR": "Implementing Regulation (EU) 1348/2014, article 7",
        "EMIR": "Regulation (EU) 648/2012, articles 9 and 10",
        "EMIR-CT": "Delegated Regulation (EU) 2022/2310 (clearing threshold of commodity derivatives)",
        "EMIR3": "Regulation (EU) 2024/2987; ESMA, final report on clearing thresholds, ESMA74-1049116226-944",
        "MIFID": "Directive 2014/65/EU, article 57, and annex I, section C, points 4 to 7",
        "MIFID-PL": "Delegated Regulation (EU) 2022/1302 (position limits)",
        "P45": "17 CFR 45.3 (swap data: creation data reporting)",
        "CFR150": "17 CFR 150, appendix E (federal position limits)",
        "CFR1": "17 CFR 1.3 (swap dealer, de minimis; forward contract exclusion)",
        "TARGET": "European Central Bank, closing days of TARGET from 2002 on",
        "USC": "5 U.S.C. 6103 (federal holidays)",
        "ISO17442": "ISO 17442 (LEI: 20 characters), check digits of ISO 7064, MOD 97-10",
    }
)

# --- markets ------------------------------------------------------------------------------------------------------
WHOLESALE_ENERGY = Constant(("POWER", "GAS_TTF", "LNG_JKM"), "commodities", "R", "REMIT", "electricity, gas and LNG")
ALLOWANCES = Constant(("CARBON",), "commodities", "R", "MIFID", "annex I, section C, point 4: in cash or physical")
UNION_HUBS = Constant(
    ("DE", "FR", "NL", "IT", "ES", "NORDIC", "PL", "TTF", "THE", "PEG", "DES_NWE"),
    "hubs with delivery in the Union",
    "J",
    "REMIT,OWN",
    "NBP and UKA are British, NORDIC counts as the Union",
)
OTHER_HUBS = Constant(
    ("NBP", "BRENT", "DUBAI", "ARA", "RICHARDS_BAY", "NEWCASTLE", "EUA", "UKA", "JKM", "AECO"),
    "hubs without delivery of power, gas or LNG in the Union, and outside the United States",
    "J",
    "OWN",
)
US_HUBS = Constant(("PJM", "HH", "WAHA", "WTI"), "hubs in the United States", "J", "CFR1,OWN")
DERIVATIVES = Constant(("forward", "future", "swap", "option"), "instruments", "R", "MIFID")

# --- deadlines ----------------------------------------------------------------------------------------------------
NON_STANDARD_MONTHS = Constant(1, "months after the trade", "R", "REMIT-IR")
WORKING_DAYS = Constant(1, "working days after the trade, until their end in UTC", "R", "REMIT-IR,EMIR,P45")

# --- position limits ----------------------------------------------------------------------------------------------
MIFID_SHARE = Constant((0.25, 0.05, 0.35), "share of supply: baseline, least, most", "V", "MIFID-PL")
TTF_DELIVERABLE_LOTS = Constant(10_000.0, "lots, spot month", "J", "OWN", "the base of the limit of the spot month")
TTF_OPEN_LOTS = Constant(100_000.0, "lots, all other months", "J", "OWN", "the base of their limit")
SIGNIFICANT_LOTS = Constant(300_000.0, "lots of net open interest over a year", "V", "MIFID-PL")
MIFID_HUBS = Constant(("TTF",), "hubs with a critical or significant contract", "V", "MIFID-PL")
US_SPOT_LOTS: Final = Constant(
    MappingProxyType({"HH": (2_000.0, 2_000.0, 2_000.0), "WTI": (6_000.0, 5_000.0, 4_000.0)}),
    "lots on the third-last, second-last and last working day before delivery",
    "R",
    "CFR150",
)
SPOT_DAYS = Constant(3, "working days before delivery", "R", "CFR150", "the spot period")

# --- thresholds of a firm -----------------------------------------------------------------------------------------
CLEARING_THRESHOLD_EUR = Constant(4e9, "EUR", "V", "EMIR-CT,EMIR3", "commodity derivatives, 12-month average")
AVERAGE_MONTHS = Constant(12, "month ends", "V", "EMIR-CT")
DE_MINIMIS_USD = Constant(8e9, "USD over 12 months", "R", "CFR1")
EUR_PER_UNIT: Final = Constant(
    MappingProxyType({"EUR": 1.0, "USD": 1 / 1.10, "GBP": 1.17}),
    "EUR per unit of the currency",
    "J",
    "OWN",
    "for thresholds alone; a user gives the rates of the day",
)

# --- detectors ----------------------------------------------------------------------------------------------------
WASH_SECONDS = Constant(300.0, "seconds between the two trades", "J", "OWN")
WASH_PRICE = Constant(0.005, "relative difference of the two prices", "J", "OWN")
OFF_MARKET_SCALES = Constant(6.0, "robust standard deviations", "J", "OWN")
PEER_DAYS = Constant(5.0, "days around a trade", "J", "OWN", "within which trades of one contract are its peers")
LEAST_PEERS = Constant(3, "peers", "J", "OWN", "with fewer a price is not judged")
LEAST_SCALE = Constant(0.002, "log price", "J", "OWN", "a scale below it is an accident of few peers")
LEAST_GROUP = Constant(100, "trades", "J", "OWN", "a smaller group has at least the scale of its commodity")
LEAST_MOVE = Constant(0.01, "currency per unit", "J", "OWN", "a price nearer to the market differs by its rounding")
PRICE_SHIFT: Final = Constant(
    MappingProxyType({"POWER": 40.0}), "currency per MWh", "J", "OWN", "power may have a negative price"
)


def constants() -> dict[str, Constant[object]]:
    """Return every constant by its name."""
    return constants_in(globals())
