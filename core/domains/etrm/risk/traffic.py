"""The traffic light of the Basel Committee: whether a VaR was exceeded too often to be right."""

from enum import StrEnum

from scipy.special import bdtr

from core.domains.etrm.risk.arguments import checked_count, checked_level
from core.errors import UsageError

YELLOW_FROM, RED_FROM = 0.95, 0.9999  # probability of at most so many exceedances if the VaR is right
YEAR = 250  # trading days


class TrafficLight(StrEnum):
    """The zones; green says nothing against the VaR, red is near proof against it."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


def traffic_light(n_exceeded: int, n_days: int = YEAR, level: float = 0.99) -> TrafficLight:
    """Return the zone of a number of exceedances.

    Yellow begins where a right VaR has at most so many exceedances with a probability of 95 %, red with 99.99 %. For
    250 days at 99 % that is green up to 4, yellow from 5 to 9, and red from 10 on.

    Args:
        n_exceeded: On how many days the loss exceeded the VaR.
        n_days: The number of days.
        level: The level of the VaR.
    Raises:
        UsageError: An argument is not valid, or more days exceeded than there are.
    Source:
        Basel Committee, Supervisory framework for the use of backtesting, January 1996, table 2; MAR99.

    >>> [traffic_light(n).value for n in (4, 5, 9, 10)]
    ['green', 'yellow', 'yellow', 'red']
    """
    n_exceeded, n_days = checked_counts(n_exceeded, n_days)
    chance = float(bdtr(n_exceeded, n_days, 1.0 - checked_level(level)))
    if chance < YELLOW_FROM:
        return TrafficLight.GREEN
    return TrafficLight.YELLOW if chance < RED_FROM else TrafficLight.RED


def checked_counts(n_exceeded: int, n_days: int) -> tuple[int, int]:
    """Return a number of exceedances and of days.

    Raises:
        UsageError: They are not whole numbers, there is no day, or more days exceeded than there are.
    """
    n_days = checked_count("n_days", n_days, least=1)
    n_exceeded = checked_count("n_exceeded", n_exceeded, least=0)
    if n_exceeded > n_days:
        raise UsageError(f"n_exceeded: {n_exceeded} of {n_days} days; it cannot be more than the days.")
    return n_exceeded, n_days
