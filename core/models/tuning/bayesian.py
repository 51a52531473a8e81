"""Trials by Optuna's tree-structured Parzen estimator, from the optional extra `tuning`.

Every batch is asked of a new study, which is told all earlier trials and has a seed of its own: a search that goes on
after a crash proposes what it would have proposed without one.

Source:
    Bergstra, Bardenet, Bengio and Kégl, Algorithms for Hyper-Parameter Optimization, NeurIPS 2011.
"""

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from core.errors import UsageError
from core.models.tuning.ranges import ParameterValues, SearchRange, SearchRanges, ValueList, allows
from core.models.tuning.sampling import RandomSampler
from core.models.tuning.trial import Trial, TrialState
from core.seeds import derive_seed

if TYPE_CHECKING:
    import optuna

EXTRA = "tuning"
LEAST_RANDOM, MOST_RANDOM = 4, 10


class MissingOptunaError(UsageError):
    """The Bayesian search is asked for, and Optuna is not installed."""

    def __init__(self) -> None:
        super().__init__(
            f"tuning_method bayesian needs the optional extra: pip install 'bondx-console[{EXTRA}]'; random_search and "
            "grid_search need none."
        )


def require_optuna() -> None:
    """Check, without importing it, that Optuna is installed.

    Raises:
        MissingOptunaError: It is not.
    """
    if find_spec("optuna") is None:
        raise MissingOptunaError


class BayesianSampler:
    """Random trials first; then trials where those so far suggest a low loss."""

    n_most = None

    def __init__(self, ranges: SearchRanges, *, n_trials: int, seed: int) -> None:
        """Load Optuna.

        Raises:
            MissingOptunaError: It is not installed.
        """
        require_optuna()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna = optuna
        self._seed = seed
        self._ranges = ranges
        self._random = RandomSampler(ranges, seed=seed)
        self._n_random = min(max(n_trials // 4, LEAST_RANDOM), MOST_RANDOM)
        self._distributions = {name: self._distribution(each) for name, each in ranges.items()}

    def ask(self, first: int, n: int, earlier: Sequence[Trial]) -> list[ParameterValues]:
        """Propose the parameters of a batch; its trials know of one another, but not of their results."""
        if first <= self._n_random:
            return self._random.ask(first, n, earlier)
        sampler = self._optuna.samplers.TPESampler(seed=derive_seed(self._seed, "batch", first), n_startup_trials=0)
        study = self._optuna.create_study(sampler=sampler)
        for trial in earlier:
            if (told := self._told(trial)) is not None:
                study.add_trial(told)
        return [dict(study.ask(self._distributions).params) for _ in range(n)]

    def _told(self, trial: Trial) -> "optuna.trial.FrozenTrial | None":
        """Tell a trial as Optuna knows it; a recipe of the settings outside of the ranges is not told."""
        own = {name: trial.parameters[name] for name in self._ranges if name in trial.parameters}
        if len(own) < len(self._ranges) or not all(allows(self._ranges[name], value) for name, value in own.items()):
            return None
        curve = {fold: loss for fold, loss in enumerate(trial.curve, start=1) if math.isfinite(loss)}
        is_scored = trial.state is TrialState.COMPLETE and trial.loss is not None and math.isfinite(trial.loss)
        states = self._optuna.trial.TrialState
        state = states.COMPLETE if is_scored else states.PRUNED if curve else states.FAIL
        return self._optuna.trial.create_trial(
            state=state,
            value=trial.loss if is_scored else None,
            params=own,
            distributions=self._distributions,
            intermediate_values=curve,
        )

    def _distribution(self, each: SearchRange) -> Any:
        kinds = self._optuna.distributions
        if isinstance(each, ValueList):
            return kinds.CategoricalDistribution(each.values)
        if each.is_whole:
            return kinds.IntDistribution(int(each.low), int(each.high), log=each.is_log)
        return kinds.FloatDistribution(each.low, each.high, log=each.is_log)
