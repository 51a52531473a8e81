"""Trials as rows of a table, and where a search stands as a sentence. Light to import."""

from collections.abc import Sequence

from msgspec.structs import replace

from core.errors import UsageError
from core.escape import shown
from core.models.tuning.trial import Trial, TrialState, best_of
from core.training.tuning.records import SessionTrial, TuningStanding
from core.training.tuning.words import number, spelled


def sorted_trials(trials: Sequence[SessionTrial], *, by: str | None = None) -> list[SessionTrial]:
    """Sort the trials of each model: by loss, those scored on more folds first; or by a parameter.

    Args:
        trials: By model.
        by: The parameter; trials without it come last.
    Raises:
        UsageError: No trial has this parameter.
    """
    models = list(dict.fromkeys(each.model for each in trials))
    known = dict.fromkeys(name for each in trials for name in each.trial.parameters)
    if by is not None and by not in known:
        raise UsageError(
            f"No trial has a parameter {shown(by)}. Parameters to choose from: {', '.join(known) or 'none'}."
        )

    def key(each: SessionTrial) -> tuple[object, ...]:
        trial = each.trial
        place = models.index(each.model)
        if by is None:
            return place, -len(trial.curve), trial.curve[-1] if trial.curve else 0.0, trial.number
        value = trial.parameters.get(by)
        is_number = isinstance(value, int | float)
        return place, value is None, not is_number, value if is_number else 0.0, str(value), trial.number

    return sorted(trials, key=key)


def trial_row(trial: Trial) -> dict[str, str]:
    """Write a trial as a row: number, state, folds, loss, and a column for each parameter."""
    return {
        "trial": "settings" if trial.number == 0 else str(trial.number),
        "state": str(trial.state),
        "folds": str(len(trial.curve)),
        "loss": f"{trial.curve[-1]:.5g}" if trial.curve else "–",
        **{name: number(value) for name, value in trial.parameters.items()},
        **({"why": trial.why} if trial.state is TrialState.FAILED else {}),
    }


def with_trials(standing: TuningStanding, trials: Sequence[Trial]) -> TuningStanding:
    """Return where a search stands after these trials: each is on disk as it ends, the standing once its batch has.

    Args:
        standing: As the session has it.
        trials: The trials of the model that have ended.
    """
    if standing.ships is not None or len(trials) <= standing.n_trials:
        return standing
    best, first = best_of(trials), next((trial for trial in trials if trial.number == 0), None)
    return replace(
        standing,
        n_trials=len(trials),
        n_pruned=sum(trial.state is TrialState.PRUNED for trial in trials),
        given_loss=None if first is None else first.loss,
        best_trial=None if best is None else best.number,
        best_loss=None if best is None else best.loss,
        best={} if best is None else best.parameters,
    )


def told_standing(standing: TuningStanding, *, names_best: bool = True) -> str:
    """Write where the search for a model stands in a line.

    Args:
        standing: Where it stands.
        names_best: Whether the parameters of the best trial are named.
    """
    counts = f"{standing.n_trials} of {standing.n_planned} trials, {standing.n_pruned} pruned"
    if standing.ships is not None:
        used = f" ({spelled(standing.best)})" if standing.ships and names_best else ""
        return f"{counts}; {standing.why}{used}"
    if standing.best_loss is None:
        return counts
    own = f", settings {standing.given_loss:.5g}" if standing.given_loss is not None else ""
    found = spelled(standing.best) if standing.best_trial else "the settings' recipe"
    return f"{counts}; best loss {standing.best_loss:.5g}{own}{f': {found}' if names_best else ''}"
