"""Which candidate ships: the least loss on rows held out, unless a simpler candidate is statistically as good.

The simplest candidate is the constant, so nothing ships that does not predict better than the constant.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core.arrays import AnyArray, FloatArray
from core.intervals import Units
from core.models.ensembles.improvement import Improvement, improvement
from core.models.learners.constant import ConstantLearner

CONSTANT = ConstantLearner.name
RESAMPLES = 500  # the choice is made once for each fold, too
CLEAR_GAIN = 0.2  # share of the constant's loss; see `choose`


@dataclass(frozen=True, slots=True)
class Standing:
    """The result of a candidate.

    Attributes:
        candidate: Its name.
        loss: Mean loss over rows held out.
        behind_best: Its loss minus that of the best.
        standard_error: Of `behind_best`, over groups: errors within a group are correlated.
    """

    candidate: str
    loss: float
    behind_best: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidate that ships, and why."""

    ships: str
    why: str
    standings: tuple[Standing, ...]  # least loss first
    improvement: Improvement | None = None  # of an ensemble over the best single method, if there is one

    def to_json(self) -> list[dict[str, Any]]:
        """Return the standings as plain values."""
        return [asdict(standing) for standing in self.standings]


def choose(losses: Mapping[str, FloatArray], group: AnyArray) -> Choice:
    """Choose among candidates by the one-standard-error rule.

    Args:
        losses: Loss of each row by candidate, simplest first, each of shape (n,).
        group: Group of each row, shape (n,).
    Returns:
        The simplest candidate whose loss is within one standard error of the least. The constant must moreover be
        within a fifth of its loss: with heavy tails a few rows set the standard error, however clear the gain.
    Source:
        Breiman, Friedman, Olshen and Stone, Classification and Regression Trees (1984), section 3.4.3; here the error
        is that of the paired difference, over groups.

    >>> import numpy as np
    >>> even = np.zeros(4)
    >>> choose({"linear": even + 1, "lightgbm": even + 0.9}, np.arange(4)).ships
    'lightgbm'
    """
    best, units = min(losses, key=lambda name: float(losses[name].mean())), Units(group)
    standings = {name: _standing(name, loss, losses[best], units) for name, loss in losses.items()}
    ships = next(name for name, s in standings.items() if _is_as_good(s))
    return Choice(ships, _why(ships, best, standings), tuple(sorted(standings.values(), key=lambda s: s.loss)))


def choose_with_ensemble(
    losses: Mapping[str, FloatArray], group: AnyArray, ensemble: str, *, n_folds: int | None
) -> Choice:
    """Choose among single methods, and then between that and an ensemble of them.

    Args:
        losses: Loss of each row by candidate, the ensemble last. No row has settled the answers that it judges.
        group: Group of each row, shape (n,).
        ensemble: The name of the ensemble.
        n_folds: The folds of the cross-validation that the losses come from; None if it was none.
    Returns:
        The ensemble if the whole interval of its improvement over the single method with the least loss is above
        zero; else what `choose` finds among the single methods. The rows chose that method, which makes it look
        better, never the ensemble.
    """
    singles = {name: loss for name, loss in losses.items() if name != ensemble}
    choice = choose(singles, group)
    best = min(singles, key=lambda name: float(singles[name].mean()))
    found = improvement(singles[best], losses[ensemble], group, seed=0, n_resamples=RESAMPLES, n_folds=n_folds)
    own = _standing(ensemble, losses[ensemble], losses[best], Units(group))
    standings = tuple(sorted((*choice.standings, own), key=lambda standing: standing.loss))
    told = f"{found.value:.3g} ({found.low:.3g} to {found.high:.3g})"
    if found.is_shown:
        why = f"{ensemble} has a lower loss on rows held out than {best}, the best single method, by {told}"
        return Choice(ensemble, why, standings, found)
    if found.high < 0:
        worse = f"{-found.value:.3g} ({-found.high:.3g} to {-found.low:.3g})"
        why = f"{choice.why}; the loss of {ensemble} is above that of {best}, by {worse}"
    else:
        why = f"{choice.why}; the loss of {ensemble} is not shown to be below that of {best}: its gain is {told}"
    return Choice(choice.ships, why, standings, found)


def _standing(name: str, loss: FloatArray, best: FloatArray, units: Units) -> Standing:
    behind = loss - best
    return Standing(name, float(loss.mean()), float(behind.mean()), units.error_of_mean(behind))


def _is_as_good(standing: Standing) -> bool:
    if standing.candidate == CONSTANT and standing.behind_best > CLEAR_GAIN * standing.loss:
        return False
    return standing.behind_best <= standing.standard_error


def _why(ships: str, best: str, standings: Mapping[str, Standing]) -> str:
    least, others = standings[best], [name for name in standings if name not in (ships, CONSTANT)]
    if ships == CONSTANT:
        constant = standings[CONSTANT]
        found = "all lose to it" if best == CONSTANT else f"compared with {best}, the best of them, {_told(constant)}"
        return (
            "no method predicts rows held out surely better than the constant, "
            f"whose loss is {constant.loss:.4g}: {found}"
        )
    if not others:
        return f"{ships} was requested; its loss on rows held out is {standings[ships].loss:.4g}"
    if ships == best:
        told = ", ".join(_told(s) for name, s in standings.items() if name != best)
        return f"{ships} has the least loss on rows held out, {least.loss:.4g}; compared with it, {told}"
    return (
        f"{ships} is the simplest candidate within one standard error of {best}, "
        f"whose loss on rows held out is {least.loss:.4g}: {_told(standings[ships])}"
    )


def _told(standing: Standing) -> str:
    return f"{standing.candidate} {standing.behind_best:+.2g} ± {standing.standard_error:.2g}"
