"""The level of a risk score. Light to import: the client uses it, too."""

from bisect import bisect_right

from core.domains.etrm.deals.calibration import LEVEL_CUTS, LEVELS


def risk_level(score: float) -> str:
    """Return the level of a risk score; a score at a cut has the higher level.

    >>> risk_level(0.1), risk_level(0.25), risk_level(0.5), risk_level(0.97)
    ('low', 'medium', 'high', 'critical')
    """
    return LEVELS[bisect_right(LEVEL_CUTS.value, score)]
