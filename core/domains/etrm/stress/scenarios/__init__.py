"""The scenarios of the energy market, a module each. A new one is a module with its `SCENARIOS`, and an entry here."""

from core.domains.etrm.stress.scenarios import (
    combined_energy,
    correlation_break,
    hub_freeze,
    negative_prices,
    outage,
    price_spike,
)
from core.domains.stress import StressScenario

_MODULES = (price_spike, negative_prices, outage, correlation_break, hub_freeze, combined_energy)

ENERGY_SCENARIOS: tuple[StressScenario, ...] = tuple(scenario for module in _MODULES for scenario in module.SCENARIOS)
