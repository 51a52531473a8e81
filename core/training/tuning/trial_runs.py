"""Every trial as a child of the session's run: its parameters, and its loss after each fold."""

from collections.abc import Iterable

from core.actor import Actor
from core.models.tuning.trial import Trial, TrialState
from core.tracking import Run, Runs, RunStatus
from core.training.session import Session
from core.training.tuning.records import SessionTrial

MODEL, NUMBER, STATE = "model", "trial", "trial.state"
LOSS, FOLD_LOSS = "loss", "fold.loss"

_STATUS = {
    TrialState.COMPLETE: RunStatus.FINISHED,
    TrialState.PRUNED: RunStatus.STOPPED,
    TrialState.FAILED: RunStatus.FAILED,
}


class TrialRuns:
    """The child runs of the trials of sessions.

    Args:
        runs: The runs of the workspace.
        actor: The engine.
    """

    def __init__(self, runs: Runs, *, actor: Actor) -> None:
        self._runs = runs
        self._actor = actor

    def record(self, session: Session, trials: Iterable[SessionTrial]) -> None:
        """Record trials that have ended, unless a run of theirs is known from before a crash."""
        trials = tuple(trials)
        if not trials or session.run_id is None:
            return
        known = {_key(run): run for run in self._runs.all() if run.parent_id == session.run_id}
        for each in trials:
            run = known.get((each.model, str(each.trial.number)))
            if run is None or not run.is_over:
                self._record(session.run_id, each.model, each.trial, run)

    def record_one(self, parent_id: str, model: str, trial: Trial) -> None:
        """Record a trial of a run that is not of a session."""
        self._record(parent_id, model, trial, None)

    def _record(self, parent_id: str, model: str, trial: Trial, run: Run | None) -> None:
        if run is None:
            run = self._runs.start(
                name=f"{model} trial {trial.number}",
                actor=self._actor,
                parent_id=parent_id,
                parameters=trial.parameters,
                tags={MODEL: model, NUMBER: str(trial.number), STATE: trial.state},
            )
        for fold, (loss, mean) in enumerate(zip(trial.losses, trial.curve, strict=True), start=1):
            self._runs.log_metrics(run.run_id, fold, {FOLD_LOSS: loss, LOSS: mean})
        self._runs.finish(run.run_id, _STATUS[trial.state], actor=self._actor, reason=trial.why)


def _key(run: Run) -> tuple[str, str]:
    return run.tags.get(MODEL, ""), run.tags.get(NUMBER, "")
