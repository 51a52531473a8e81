"""Base curves that jump: the six shapes of interest-rate risk in the banking book."""

from typing import Any

from core.domains.bonds.stress.calibration import CURVE_TILTS
from core.domains.bonds.stress.scenario import bond_ladder, bond_scenario
from core.domains.stress import StressScenario

_PARALLEL, _SHORT, _LONG = (100.0, 200.0, 300.0), (100.0, 200.0, 300.0), (50.0, 100.0, 150.0)
_SOURCES = (
    "IRRBB: USD parallel 200, short 300, long 150 bp (R, 2016; the recalibration of 2024 to be checked)",
    "FRB: ten-year rate 1.6 to 3.9 %, three-month rate 0.1 to 4.0 % during 2022 (V)",
)


def _times(values: tuple[float, ...], factor: float) -> tuple[float, ...]:
    return tuple(value * factor for value in values)


def _curve(name: str, title: str, summary: str, **fields: Any) -> StressScenario:
    return bond_scenario(
        name, "rate_shock", title, summary, ladder=bond_ladder(**fields), horizon_months=12, sources=_SOURCES
    )


_TILT = CURVE_TILTS.value

SCENARIOS = (
    _curve("rates_up", "Rates up", "Every base curve rises in parallel.", parallel_bps=_PARALLEL),
    _curve("rates_down", "Rates down", "Every base curve falls in parallel.", parallel_bps=_times(_PARALLEL, -1)),
    _curve(
        "rates_steepener",
        "Steeper curves",
        "Short rates fall and long rates rise.",
        short_bps=_times(_SHORT, _TILT["steepener_short"]),
        long_bps=_times(_LONG, _TILT["steepener_long"]),
    ),
    _curve(
        "rates_flattener",
        "Flatter curves",
        "Short rates rise and long rates fall.",
        short_bps=_times(_SHORT, _TILT["flattener_short"]),
        long_bps=_times(_LONG, _TILT["flattener_long"]),
    ),
    _curve("rates_short_up", "Short rates up", "Short rates rise, long rates stay.", short_bps=_SHORT),
    _curve("rates_short_down", "Short rates down", "Short rates fall, long rates stay.", short_bps=_times(_SHORT, -1)),
)
