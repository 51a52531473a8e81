"""How a scenario of the energy market is written: each field of its shock once for all severities, or for each."""

from typing import Any

from core.domains.etrm.stress.shock import EtrmShock
from core.domains.stress import StressScenario, StressStep, ladder_of

_FACTS = ("horizon_months", "half_life_months", "grade", "sources")


def energy_scenario(name: str, family: str, title: str, summary: str, /, **fields: Any) -> StressScenario:
    """Return a scenario of one blow.

    Args:
        name: Its name.
        family: Its family.
        title: A few words.
        summary: A sentence.
        fields: Fields of the shock, and the length, half-life, grade and sources of the scenario.
    """
    facts = {fact: fields.pop(fact) for fact in _FACTS if fact in fields}
    steps = (StressStep(0.0, ladder_of(EtrmShock, fields)),)
    return StressScenario(name=name, family=family, title=title, summary=summary, steps=steps, **facts)
