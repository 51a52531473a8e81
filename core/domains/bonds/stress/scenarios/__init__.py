"""The scenarios of the bond market, a module each. A new one is a module with its `SCENARIOS`, and an entry here."""

from core.domains.bonds.stress.scenarios import (
    combined_severe,
    downgrade_cascade,
    fx_risk,
    global_liquidity_freeze,
    inflation,
    rate_shock,
)
from core.domains.stress import StressScenario

_MODULES = (global_liquidity_freeze, downgrade_cascade, rate_shock, inflation, fx_risk, combined_severe)

BOND_SCENARIOS: tuple[StressScenario, ...] = tuple(scenario for module in _MODULES for scenario in module.SCENARIOS)
