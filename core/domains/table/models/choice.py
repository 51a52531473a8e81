"""Which candidate ships: the least loss on rows held out, unless a simpler one is as good for all one can tell."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.arrays import AnyArray, FloatArray


@dataclass(frozen=True, slots=True)
class Standing:
    """How a candidate did.

    Attributes:
        candidate: Its name.
        loss: Mean over rows held out.
        behind_best: Its loss beyond that of the best.
        standard_error: Of `behind_best`, over groups: rows of one group err together.
    """

    candidate: str
    loss: float
    behind_best: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Who ships, and why."""

    ships: str
    why: str
    standings: tuple[Standing, ...]  # the least loss first

    def to_json(self) -> list[dict[str, Any]]:
        """Return the standings as plain values."""
        return [asdict(standing) for standing in self.standings]


def choose(losses: Mapping[str, FloatArray], group: AnyArray) -> Choice:
    """Choose among candidates by the one-standard-error rule.

    Args:
        losses: Loss of each row by candidate, the simplest first, each of shape (n,).
        group: Group of each row, shape (n,).
    Returns:
        The simplest candidate whose loss is within one standard error of the least.
    Source:
        Breiman, Friedman, Olshen and Stone, Classification and Regression Trees (1984), section 3.4.3; here the error
        is that of the paired difference, over groups.

    >>> even = np.zeros(4)
    >>> choose({"linear": even + 1, "lightgbm": even + 0.9}, np.arange(4)).ships
    'lightgbm'
    """
    best = min(losses, key=lambda name: float(losses[name].mean()))
    standings = {
        name: Standing(name, float(loss.mean()), *_difference(loss - losses[best], group))
        for name, loss in losses.items()
    }
    ships = next(name for name, s in standings.items() if s.behind_best <= s.standard_error)
    least = standings[best]
    if len(losses) == 1:
        why = f"{ships} was asked for; its loss on rows held out is {least.loss:.4g}"
    elif ships == best:
        others = ", ".join(_told(s) for name, s in standings.items() if name != best)
        why = f"{ships} has the least loss on rows held out, {least.loss:.4g}; against it {others}"
    else:
        why = (
            f"{ships} is the simplest within one standard error of {best}, "
            f"whose loss on rows held out is {least.loss:.4g}: {_told(standings[ships])}"
        )
    return Choice(ships, why, tuple(sorted(standings.values(), key=lambda s: s.loss)))


def _told(standing: Standing) -> str:
    return f"{standing.candidate} {standing.behind_best:+.2g} ± {standing.standard_error:.2g}"


def _difference(difference: FloatArray, group: AnyArray) -> tuple[float, float]:
    """Return the mean of a difference, and its standard error over groups."""
    code = np.unique(group, return_inverse=True)[1]
    n_groups, n_rows = int(code.max()) + 1, len(difference)
    mean = float(difference.mean())
    if n_groups < 2:
        return mean, 0.0
    by_group = np.bincount(code, weights=difference - mean)
    return mean, float(np.sqrt(np.sum(np.square(by_group)) * n_groups / (n_groups - 1)) / n_rows)
