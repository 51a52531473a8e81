"""The constants of the texts' grammar that the tables of a data set do not have: their value, unit, grade and source.

Hubs, books, contracts, lots, counterparties and the shares of the kinds are those of the tables.
"""

from types import MappingProxyType
from typing import Final

from core.domains.calibrated import Constant

ODDS_OF_TWO = Constant((0.6, 0.4), "odds of two wordings", "J", "OWN")
ODDS_OF_THREE = Constant((0.5, 0.3, 0.2), "odds of three wordings", "J", "OWN")
YEARS: Final = Constant(MappingProxyType({"2025": 0.5, "2026": 0.35, "2027": 0.15}), "odds of a year", "J", "OWN")
SERIAL_DIGITS = Constant(4, "digits of a trade's number in a text", "J", "OWN")
PRICE_SD: Final = Constant(
    MappingProxyType(
        {
            "POWER": 0.35,
            "GAS_TTF": 0.30,
            "GAS_HH": 0.25,
            "CRUDE": 0.18,
            "COAL_API2": 0.18,
            "CARBON": 0.18,
            "LNG_JKM": 0.30,
        }
    ),
    "sd of the log price around the level of its hub",
    "J",
    "OWN",
)
PRICE_LIMITS = Constant((0.2, 5.0), "times the level of the hub: least and largest price in a text", "J", "OWN")
CHANGE = Constant((0.02, 0.8), "median share of the level, sd of the log: a day's change", "J", "OWN")
MOVES: Final = Constant(MappingProxyType({"up": 0.48, "down": 0.48, "unchanged": 0.04}), "odds", "J", "OWN")
DIRECTIONS: Final = Constant(MappingProxyType({"long": 0.55, "short": 0.45}), "odds", "J", "OWN")
NET_UNITS = Constant((2_000.0, 1.2, 999_999.0), "median, sd of the log, largest: units of a position", "J", "OWN")
RESULTS: Final = Constant(MappingProxyType({"gain": 0.5, "loss": 0.5}), "odds", "J", "OWN")
MTM_EUR = Constant((20_000.0, 1.3, 9_999_999.0), "median, sd of the log, largest: EUR", "J", "OWN")
BOOK_LIMITS: Final = Constant(
    MappingProxyType(
        {
            "POWER_DESK": (400_000, 500_000),
            "GAS_DESK": (300_000, 400_000),
            "OIL_DESK": (250_000, 300_000),
            "COAL_CARBON": (100_000, 150_000),
            "LNG_DESK": (150_000, 200_000),
            "ASSET_HEDGING": (500_000, 600_000),
            "PROP": (50_000, 80_000),
            "OPTIONS": (60_000, 90_000),
        }
    ),
    "EUR: the usual limit of a book's VaR, and the raised one",
    "J",
    "OWN",
)
LIMIT_ODDS = Constant((0.8, 0.2), "odds of the usual and of the raised limit", "J", "OWN")
VAR_OF_LIMIT = Constant((0.6, 0.45), "median share of the usual limit, sd of the log", "J", "OWN")
VAR_LIMITS = Constant((1_000.0, 2_000_000.0), "EUR: least and largest VaR in a text", "J", "OWN")
ACTIONS: Final = Constant(
    MappingProxyType(
        {
            "within": MappingProxyType({"no action": 0.7, "keep positions": 0.2, "watch the spread": 0.1}),
            "above": MappingProxyType(
                {"reduce by the close": 0.5, "report to the committee": 0.3, "hedge with futures": 0.2}
            ),
        }
    ),
    "odds of an action, by the verdict on the limit",
    "J",
    "OWN",
)
REGIMES: Final = Constant(
    MappingProxyType({"remit": 0.4, "emir": 0.3, "mifid": 0.15, "dodd-frank": 0.15}), "odds", "J", "OWN"
)
STATUSES: Final = Constant(
    MappingProxyType({"reported": 0.75, "pending": 0.1, "late": 0.1, "rejected": 0.05}), "odds", "J", "OWN"
)
FINDINGS: Final = Constant(
    MappingProxyType(
        {
            "reported": MappingProxyType({"none": 0.9, "limit breach": 0.06, "off-market price": 0.04}),
            "pending": MappingProxyType({"none": 0.8, "missing identifier": 0.2}),
            "late": MappingProxyType({"late report": 1.0}),
            "rejected": MappingProxyType({"missing identifier": 0.7, "wash trade": 0.3}),
        }
    ),
    "odds of a finding, by the status of the report",
    "J",
    "OWN",
)
REASONS: Final = Constant(
    MappingProxyType(
        {
            "up": MappingProxyType({"cold weather": 0.4, "low wind": 0.3, "an outage": 0.2, "strong demand": 0.1}),
            "down": MappingProxyType({"mild weather": 0.4, "high wind": 0.3, "full storage": 0.2, "weak demand": 0.1}),
            "unchanged": MappingProxyType({"thin trading": 1.0}),
        }
    ),
    "odds of a reason, by the move of the price",
    "J",
    "OWN",
)
HELD_OUT_EVERY = Constant((10, 4), "every n-th counterparty from this rank on is held out", "J", "OWN")
