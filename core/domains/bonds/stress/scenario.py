"""How a scenario of the bond market is written: each field of its shock once for all severities, or for each."""

from typing import Any

from core.domains.bonds.stress.shock import BondShock
from core.domains.stress import StressScenario, StressStep, ladder_of


def bond_ladder(**fields: Any) -> tuple[BondShock, BondShock, BondShock]:
    """Return the shock at each severity; a tuple has its three values, and other values hold at each.

    >>> [shock.cycle for shock in bond_ladder(cycle=(0.5, 1.5, 2.5), contagion=1.0)]
    [0.5, 1.5, 2.5]
    """
    return ladder_of(BondShock, fields)


def bond_scenario(name: str, family: str, title: str, summary: str, /, **facts: Any) -> StressScenario:
    """Return a scenario of one blow.

    Args:
        name: Its name.
        family: Its family.
        title: A few words.
        summary: A sentence.
        facts: `ladder`, and other attributes of the scenario.
    """
    ladder = facts.pop("ladder")
    return StressScenario(
        name=name, family=family, title=title, summary=summary, steps=(StressStep(0.0, ladder),), **facts
    )
