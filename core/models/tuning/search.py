"""One search: batches of trials, each scored on folds of whole groups, and the best of them.

The result is a function of the ranges, the seed and the scores alone. A batch has the same trials on one core as on
many, and a search that goes on from the trials on disk ends as one that was never interrupted.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from core.errors import CoreError
from core.executors.errors import ExecutorError
from core.models.tuning.halving import rungs, survivors
from core.models.tuning.methods import SearchMethod, sampler_of
from core.models.tuning.ranges import ParameterValue, ParameterValues, SearchRanges
from core.models.tuning.trial import Trial, TrialState

BATCH = 4
"""Trials that are proposed together; a number of its own, so that the trials do not depend on the number of cores."""

TrialKey: TypeAlias = tuple[tuple[str, str], ...]
"""Parameters as they are compared."""
ScoreTrial: TypeAlias = Callable[[ParameterValues, int], float]
"""From parameters and a fold to the mean loss of the fold's rows. Called from several threads at once."""
ScoreTrials: TypeAlias = Callable[[Sequence[tuple[ParameterValues, int]]], list[float | str]]
"""The same for several pairs of parameters and a fold; a text says why there is no loss."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What a search tries.

    Attributes:
        method: How parameters are searched.
        ranges: What they may be.
        given: The recipe of the settings: trial 0, and the parameters that are not searched.
        n_trials: How many trials beside trial 0.
        prunes: Whether a trial that is behind ends before its last fold.
        seed: The random seed.
    """

    method: SearchMethod
    ranges: SearchRanges
    given: Mapping[str, ParameterValue]
    n_trials: int
    prunes: bool
    seed: int


class Search:
    """One search.

    Raises:
        UsageError: The grid is too large, or Optuna is not installed.
    """

    def __init__(self, plan: SearchPlan) -> None:
        self._plan = plan
        self._sampler = sampler_of(plan.method, plan.ranges, n_trials=plan.n_trials, seed=plan.seed)
        most = self._sampler.n_most
        self.n_trials = 1 + (plan.n_trials if most is None else min(plan.n_trials, most))
        """How many trials it has, trial 0 included."""

    def is_done(self, trials: Sequence[Trial]) -> bool:
        """Whether every trial has ended."""
        return len(trials) >= self.n_trials

    def batch_of(self, trials: Sequence[Trial]) -> list[tuple[int, ParameterValues]]:
        """Return the batch under way: the numbers and the parameters of its trials, with those that have ended."""
        first = len(trials) // BATCH * BATCH
        n = min(BATCH, self.n_trials - first)
        if first == 0:
            asked = self._sampler.ask(1, n - 1, ())
            return [(0, dict(self._plan.given)), *((k, self._whole(own)) for k, own in enumerate(asked, start=1))]
        asked = self._sampler.ask(first, n, trials[:first])
        return [(k, self._whole(own)) for k, own in enumerate(asked, start=first)]

    def run_batch(
        self,
        trials: Sequence[Trial],
        evaluate: ScoreTrials,
        *,
        fold_rows: Sequence[int],
        keep: Callable[[Trial], None] = lambda _: None,
        known: Iterable[Trial] = (),
    ) -> list[Trial]:
        """Run the next batch.

        Args:
            trials: The trials of all earlier batches, by number.
            evaluate: Scores parameters on folds.
            fold_rows: How many rows each fold judges: their weights in the mean.
            keep: Is called with each trial as it ends.
            known: Trials of this batch that had ended before an interruption.
        Returns:
            The batch's trials, by number.
        """
        known_losses = {_key(trial.parameters): trial.losses for trial in (*trials, *known)}
        under_way = {k: _UnderWay(k, own) for k, own in self.batch_of(trials)}
        ended: dict[int, Trial] = {}
        had_ended = {trial.number for trial in known}

        def end(one: "_UnderWay", state: TrialState, why: str = "") -> None:
            del under_way[one.number]
            ended[one.number] = trial = one.ended(state, fold_rows, why)
            if one.number not in had_ended:
                keep(trial)

        steps = rungs(len(fold_rows))
        for start, rung in pairwise((0, *steps)):
            # Two trials of a batch may have the same parameters, which are trained once.
            tasks = {(one.key, fold): (one, fold) for one in under_way.values() for fold in range(start, rung)}
            found: dict[tuple[TrialKey, int], float | str] = {
                (key, fold): known_losses[key][fold] for key, fold in tasks if fold < len(known_losses.get(key, ()))
            }
            new = {place: (one.parameters, fold) for place, (one, fold) in tasks.items() if place not in found}
            found.update(zip(new, evaluate(list(new.values())), strict=True))
            for one in under_way.values():
                one.take([found[one.key, fold] for fold in range(start, rung)])
            for one in [one for one in under_way.values() if one.fault]:
                one.losses.clear()
                end(one, TrialState.FAILED, one.fault)
            if rung == steps[-1] or not self._plan.prunes:
                continue
            running = {k: one.curve(fold_rows)[-1] for k, one in under_way.items()}
            stay = {0} | survivors(rung, running, trials)
            for one in [one for k, one in under_way.items() if k not in stay]:
                end(one, TrialState.PRUNED, f"behind the better half after {rung} of {steps[-1]} folds")
        for one in list(under_way.values()):
            end(one, TrialState.COMPLETE)
        return [ended[number] for number in sorted(ended)]

    def _whole(self, own: ParameterValues) -> ParameterValues:
        return {**self._plan.given, **own}


class _UnderWay:
    """A trial that has not ended."""

    def __init__(self, number: int, parameters: ParameterValues) -> None:
        self.number = number
        self.parameters = parameters
        self.key = _key(parameters)
        self.losses: list[float] = []
        self.fault = ""

    def take(self, found: Iterable[float | str]) -> None:
        """Add losses, or the reason why there is none."""
        for each in found:
            if isinstance(each, str):
                self.fault = self.fault or each
            else:
                self.losses.append(each)

    def curve(self, fold_rows: Sequence[int]) -> tuple[float, ...]:
        """Return the mean loss over the rows of the folds so far, after each fold."""
        total, n_rows, found = 0.0, 0, []
        for loss, n in zip(self.losses, fold_rows, strict=False):
            total, n_rows = total + loss * n, n_rows + n
            found.append(total / n_rows)
        return tuple(found)

    def ended(self, state: TrialState, fold_rows: Sequence[int], why: str) -> Trial:
        return Trial(
            number=self.number,
            parameters=self.parameters,
            state=state,
            losses=tuple(self.losses),
            curve=self.curve(fold_rows),
            why=why,
        )


def scored(evaluate: ScoreTrial, parameters: ParameterValues, fold: int) -> float | str:
    """Return the loss, or why there is none: parameters that a method cannot use cost a trial, not the search."""
    try:
        loss = float(evaluate(parameters, fold))
    except ExecutorError:
        raise
    except (CoreError, ValueError, ArithmeticError) as error:
        return str(error) or type(error).__name__
    return loss if math.isfinite(loss) else "the loss is not a finite number"


def _key(parameters: Mapping[str, ParameterValue]) -> TrialKey:
    return tuple(sorted((name, repr(value)) for name, value in parameters.items()))
