"""The expected credit loss of one exposure: over scenarios, the sum of PD x LGD x EAD x discount by year."""

import math
from collections.abc import Iterator

from core.domains.bonds.data.ratings import N_LIVE, cumulative_hazard
from core.domains.bonds.ifrs9.calibration import FORECAST_YEARS, REVERSION_YEARS, SCENARIO_HAZARD, SCENARIO_WEIGHT
from core.domains.bonds.ifrs9.exposures import CreditExposure
from core.domains.bonds.ifrs9.staging import CreditStage

SCENARIOS = tuple(SCENARIO_WEIGHT.value)


def multiple(scenario: str, year: int) -> float:
    """Return by what the default intensity of a year is multiplied in a scenario.

    >>> [round(multiple("down", year), 2) for year in range(1, 7)]
    [1.6, 1.6, 1.6, 1.4, 1.2, 1.0]
    """
    beyond = min(max(year - FORECAST_YEARS.value, 0), REVERSION_YEARS.value + 1)
    share: float = 1 - beyond / (REVERSION_YEARS.value + 1)
    return 1 + (SCENARIO_HAZARD.value[scenario] - 1) * share


def default_path(notch: int, years: float, scenario: str) -> Iterator[tuple[float, float, float]]:
    """Yield the start and the end of each year, and the probability of a default within it.

    Args:
        notch: Of the live rating.
        years: The horizon; its last year may be a part of one.
        scenario: base, up or down. The base is the path of the notch matrix itself.
    """
    table = cumulative_hazard()[notch]
    hazard, start, year = 0.0, 0.0, 1
    while start < years:
        end = min(float(year), years)
        step = float(table[year] - table[year - 1]) * (end - start) * multiple(scenario, year)
        yield start, end, math.exp(-hazard) - math.exp(-(hazard + step))
        hazard, start, year = hazard + step, end, year + 1


def scenario_loss(
    exposure: CreditExposure, stage: CreditStage, scenario: str, *, notches: int = 0, lgd: float = 0.0
) -> float:
    """Return the expected loss in one scenario, USD m.

    A default happens in the middle of a year, and what is lost then is discounted at the effective interest rate.

    Args:
        exposure: The exposure.
        stage: 1 for the losses of twelve months, 2 for those of its lifetime, 3 for one in default.
        scenario: base, up or down.
        notches: A shift of the rating, positive for worse.
        lgd: A shift of the share lost.
    """
    share = min(max(exposure.lgd + lgd, 0.0), 1.0)
    if stage is CreditStage.IMPAIRED:
        return share * exposure.ead
    notch = min(max(exposure.notch + notches, 0), N_LIVE - 1)
    years = min(1.0, exposure.maturity) if stage is CreditStage.PERFORMING else exposure.maturity
    path = default_path(notch, years, scenario)
    present = sum(pd * math.pow(1 + exposure.eir, -(start + end) / 2) for start, end, pd in path)
    return share * exposure.ead * present


def expected_loss(exposure: CreditExposure, stage: CreditStage, *, notches: int = 0, lgd: float = 0.0) -> float:
    """Return the expected loss over all scenarios, USD m; arguments as of `scenario_loss`."""
    return sum(
        weight * scenario_loss(exposure, stage, scenario, notches=notches, lgd=lgd)
        for scenario, weight in SCENARIO_WEIGHT.value.items()
    )
