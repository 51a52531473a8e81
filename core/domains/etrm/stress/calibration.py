"""Every constant of the energy stress tests but the shocks: those stand in the file of each scenario."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from core.domains.calibrated import Constant, calibration_digest, constants_in
from core.domains.etrm.data.calibration import SOURCES as DATA_SOURCES

SOURCES: Mapping[str, str] = MappingProxyType(
    {**DATA_SOURCES, "MAR33": "Basel Framework, MAR33: internal models approach, capital requirements"}
)


def _table(**values: float) -> Mapping[str, float]:
    return MappingProxyType(values)


PROMPT_KAPPA = Constant(
    24.0, "1/year", "J", "EIA", "of a move in currency: WTI for May 2020 fell by 56 USD/bbl, and for June by some 5"
)
HALF_SPREAD = Constant(
    _table(POWER=0.004, GAS_TTF=0.002, GAS_HH=0.002, CRUDE=0.0006, COAL_API2=0.005, CARBON=0.001, LNG_JKM=0.01),
    "share of the shifted price",
    "J",
    "OWN",
    "of the commodity's first hub, at the front",
)
THIN_HUB_POWER = Constant(
    0.5, "power of the share of trades", "J", "OWN", "a hub of a quarter of the trades costs twice"
)
TENOR_COST = Constant(0.5, "1/year", "J", "OWN", "how the half-spread grows with the time to delivery")
MOST_FREEZE = Constant(0.99, "share", "J", "OWN", "of a hub's trading that stops; some always remains")
TYPICAL_TENOR = Constant(3.0, "months", "J", "OWN", "where a deal of a panel has none")
RISK_DRAWS = Constant(10_000, "draws, in antithetic pairs", "J", "OWN")
RISK_DAYS = Constant(30, "days", "R", "MAR33", "the horizon of VaR and ES: energy prices have one of 20 trading days")
RISK_LEVELS = Constant(_table(var95=0.95, var99=0.99, es975=0.975), "probability", "R", "MAR33")
IMPACT_CAPS = Constant(
    _table(price_loss=0.25, risk_increase=3.0, basis_move=0.40, cost_increase=0.03),
    "share of gross value; times the ES before, less one; log; share of gross value",
    "J",
    "OWN",
    "a trading book that loses a quarter of its gross value is lost",
)
IMPACT_WEIGHTS = Constant(
    _table(price_loss=0.40, risk_increase=0.25, basis_move=0.15, cost_increase=0.20), "share", "J", "OWN"
)
LARGEST_NUMBER = Constant(10, "positions", "J", "OWN", "of the largest losses that are named")
DELIVERY_BUCKETS = Constant((0.25, 1.0, 2.0), "years ahead", "J", "OWN", "the bounds of the slices by delivery")


def constants() -> dict[str, Constant[object]]:
    """Return every calibrated constant by its name."""
    return constants_in(globals())


@lru_cache(maxsize=1)
def digest() -> str:
    """Return the SHA-256 of all constants."""
    return calibration_digest(constants())
