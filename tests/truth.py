"""What statistics promise, held against simulation: short in every run, and with `--long` long and as a table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LONGER = 10
"""How many times more is simulated in the long form."""


def most_expected(error_rate: float, n: int) -> float:
    """Return the share of n simulations that an exact test stays below, but for bad luck of 1 in 1,000 (3.1 sigma)."""
    return error_rate + 3.1 * math.sqrt(error_rate * (1 - error_rate) / n)


def least_expected(rate: float, n: int) -> float:
    """Return the share of n simulations that something found so often stays above, but for as bad luck."""
    return rate - 3.1 * math.sqrt(rate * (1 - rate) / n)


@dataclass(frozen=True)
class Promise:
    """One promise, and what the simulation found."""

    name: str
    n: int
    found: float
    bound: str


class Truth:
    """Judges what one test found, and keeps it for the table."""

    def __init__(self, name: str, scale: int, promises: list[Promise]) -> None:
        self.scale = scale
        self._name = name
        self._promises = promises

    def at_most(self, found: float, most: float, *, n: int) -> None:
        """Assert an upper bound on what n simulations found."""
        self._keep(found, f"<= {most:.4g}", n)
        assert found <= most

    def at_least(self, found: float, least: float, *, n: int) -> None:
        """Assert a lower bound on what n simulations found."""
        self._keep(found, f">= {least:.4g}", n)
        assert found >= least

    def _keep(self, found: float, bound: str, n: int) -> None:
        self._promises.append(Promise(self._name, n, float(found), bound))


def table(promises: Sequence[Promise]) -> list[str]:
    """Return the lines of a table, a promise a line."""
    width = max((len(promise.name) for promise in promises), default=0)
    return [f"{promise.name:<{width}}  {promise.n:>7,}  {promise.found:>9.4g}  {promise.bound}" for promise in promises]
