"""Every constant of the bond stress tests but the shocks: those stand in the file of each scenario."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from core.domains.bonds.data.calibration import SOURCES as DATA_SOURCES
from core.domains.calibrated import Constant, calibration_digest, constants_in

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        **DATA_SOURCES,
        "IRRBB": "Basel Committee, Interest rate risk in the banking book (d368), 2016",
        "MAR33": "Basel Framework, MAR33: internal models approach, capital requirements",
        "DFAST": "Federal Reserve, Supervisory Stress Test scenarios, severely adverse, 2024-2026",
    }
)


def _table(**values: float) -> Mapping[str, float]:
    return MappingProxyType(values)


CONTAGION = Constant(
    _table(sector=2.0, region=1.0, sovereign=0.8), "logit per share; logit", "J", "OWN", "of issuers cut so far"
)
MOST_ROUNDS = Constant(4, "rounds", "J", "OWN")
SETTLED_SHARE = Constant(0.002, "share of issuers", "J", "OWN", "a round that cuts fewer is the last that counts")
CONTAGION_NOTCHES = Constant(1, "notches", "J", "OWN", "of an issuer that contagion or the cycle cuts")
SOVEREIGN_CEILING = Constant(2, "notches", "J", "OWN", "an issuer stands at most so far above its cut sovereign")
FALLEN_ANGEL = Constant(_table(ln_spread=0.25, liquidity_index=-10.0), "ln bp; index points", "J", "OWN")
FUND_OUTFLOW_ABOVE = Constant(0.75, "quantile of fund ownership", "J", "OWN", "bonds above it are sold by funds")
CURVE_DECAY = Constant(4.0, "years", "R", "IRRBB", "of the short shock; the long shock is its complement")
CURVE_TILTS = Constant(
    _table(steepener_short=-0.65, steepener_long=0.9, flattener_short=0.8, flattener_long=-0.6),
    "share of the short and long shock",
    "R",
    "IRRBB",
)
SPREAD_RATIO_SD = Constant(3.0, "sd of m", "J", "OWN", "a bond's own spread level counts within this range")
IMPACT_CAPS = Constant(
    _table(price_fall=0.25, widening_investment=470.0, widening_high_yield=1400.0, liquidity_drop=40.0, cut_share=0.35),
    "share; bp; bp; index points; share",
    "J",
    "ICE,FEDS20,SP",
    "the worst published episodes; levels V, choice J",
)
IMPACT_WEIGHTS = Constant(
    _table(price_fall=0.35, spread_widening_bps=0.25, liquidity_drop=0.20, cut_share=0.20), "share", "J", "OWN"
)
RISK_DRAWS = Constant(10_000, "draws, in antithetic pairs", "J", "OWN")
RISK_SD = Constant(
    _table(cycle=0.2413, sector=0.113, issuer=0.15),
    "one month: sd of Z; ln bp; ln bp",
    "J",
    "OWN",
    "Z: sqrt(1 - exp(-2 kappa / 12)); sector: two independent months; issuer: the idiosyncratic part",
)
RISK_LEVELS = Constant(_table(var95=0.95, var99=0.99, es975=0.975), "probability", "R", "MAR33")
LARGEST_NUMBER = Constant(10, "instruments, issuers", "J", "OWN", "of the largest losses that are named")


def constants() -> dict[str, Constant[object]]:
    """Return every calibrated constant by its name."""
    return constants_in(globals())


@lru_cache(maxsize=1)
def digest() -> str:
    """Return the SHA-256 of all constants."""
    return calibration_digest(constants())
