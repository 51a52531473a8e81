"""Several crises at once: gas is short, its hub freezes, and correlations break."""

from core.domains.etrm.stress.scenarios import correlation_break, hub_freeze, price_spike
from core.domains.etrm.stress.shock import EtrmShock, combined
from core.domains.stress import StressScenario, StressStep

_PARTS = (price_spike.SCENARIOS[0], hub_freeze.SCENARIOS[0], correlation_break.SCENARIOS[0])


def _ladder() -> tuple[EtrmShock, EtrmShock, EtrmShock]:
    mild, moderate, severe = (combined([part.steps[0].ladder[place] for part in _PARTS]) for place in range(3))
    return mild, moderate, severe


SCENARIOS = (
    StressScenario(
        name="combined_energy",
        family="combined",
        title="Gas crisis",
        summary="A spike of European gas, a freeze of TTF and a break of correlations at once.",
        steps=(StressStep(0.0, _ladder()),),
        horizon_months=6,
        half_life_months=3,
        sources=tuple(source for part in _PARTS for source in part.sources),
    ),
)
