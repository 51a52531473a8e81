"""The values of runs from MLflow, stored as runs of the workspace."""

import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from core.actor import Actor
from core.errors import UsageError
from core.escape import is_shown_as_is, spelled_out
from core.progress import begins
from core.text_limits import MAX_TEXT, cut
from core.tracking.experiments import EXPERIMENT
from core.tracking.run import MadeElsewhere, Run, RunStatus
from core.tracking.runs import Runs

ORIGIN = "mlflow.run_id"
"""The tag with the MLflow run id of an imported run."""
PARENT = "mlflow.parentRunId"
"""MLflow's tag with the run that a run is part of."""

_TO_STATUS = {
    "FINISHED": RunStatus.FINISHED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.STOPPED,
}
_DEFAULT_EXPERIMENT = "0"
_COMMIT = "mlflow.source.git.commit"
_KEPT_ELSEWHERE = frozenset({"mlflow.runName", "mlflow.log-model.history"})  # the name of a run, and its models


class Arrivals:
    """Imports runs of one store, each after the runs that it is part of."""

    def __init__(self, runs: Runs, client: Any, actor: Actor) -> None:
        """Prepare an import.

        Args:
            runs: Where the runs are stored.
            client: An `MlflowClient`.
            actor: The author of the import.
        """
        self.notes: list[str] = []
        self._runs = runs
        self._client = client
        self._actor = actor
        self._waiting: set[str] = set()

    def known(self, mlflow_run_id: str) -> Run | None:
        """Return the run as which a run of MLflow was imported before, or None."""
        return next((run for run in self._runs.all() if run.tags.get(ORIGIN) == mlflow_run_id), None)

    def take(self, theirs: Any) -> Run:
        """Store a run of MLflow.

        Raises:
            UsageError: The run is deleted in MLflow.
        """
        run_id: str = theirs.info.run_id
        if theirs.info.lifecycle_stage == "deleted":
            raise UsageError(f"Run {run_id} is deleted in MLflow. Restore it there first: mlflow runs restore.")
        self._waiting.add(run_id)
        parent_id = self._parent(theirs)
        commit = theirs.data.tags.get(_COMMIT)
        run = self._runs.start(
            name=spelled_out(theirs.info.run_name or run_id),
            actor=self._actor,
            parameters=dict(theirs.data.params),
            tags={**self._experiment(theirs), **self._tags(theirs.data.tags), ORIGIN: run_id},
            parent_id=parent_id,
            elsewhere=MadeElsewhere(
                started_at=_instant(theirs.info.start_time), git={"commit": commit} if commit else None
            ),
            reason=f"imported from MLflow, run {run_id}",
        )
        return self.fill(run, theirs)

    def fill(self, run: Run, theirs: Any) -> Run:
        """Store the metrics and the end of a run that was begun, perhaps by an import that was killed."""
        try:
            for name in theirs.data.metrics:
                begins(f"importing the metric {name}")
                self._take_history(run.run_id, theirs.info.run_id, name)
        except BaseException:  # half a run would count as imported
            self._drop(run)
            raise
        if (status := _TO_STATUS.get(theirs.info.status)) is None:
            self.notes.append(
                f"MLflow says {theirs.info.status}. The copy here is recorded as lost, since no process continues it."
            )
        return self._runs.finish(
            run.run_id,
            status or RunStatus.LOST,
            actor=self._actor,
            ended_at=_instant(theirs.info.end_time) if theirs.info.end_time else None,
        )

    def _drop(self, run: Run) -> None:
        reason = "the import was interrupted"
        self._runs.finish(run.run_id, RunStatus.FAILED, actor=self._actor, reason=reason)
        self._runs.prune(keep=0, referenced=(), only={run.run_id}, actor=self._actor, reason=reason)

    def _experiment(self, theirs: Any) -> dict[str, str]:
        """Return the tag of a run's experiment; MLflow's default experiment groups what belongs to none."""
        experiment_id = getattr(theirs.info, "experiment_id", None)
        if experiment_id in (None, _DEFAULT_EXPERIMENT):
            return {}
        return {EXPERIMENT: spelled_out(self._client.get_experiment(experiment_id).name)}

    def _tags(self, theirs: Mapping[str, str]) -> dict[str, str]:
        tags = {name: text for name, text in theirs.items() if name not in _KEPT_ELSEWHERE and text}
        self.notes += [
            f"The tag {name} has line breaks or invisible characters, which are spelled out here."
            for name, text in sorted(tags.items())
            if not is_shown_as_is(text)
        ]
        return {name: cut(spelled_out(text), MAX_TEXT) for name, text in tags.items()}

    def _take_history(self, run_id: str, mlflow_run_id: str, name: str) -> None:
        # MLflow takes several values of one step, in any order; the newest of the last step is the metric's value.
        history = sorted(
            self._client.get_metric_history(mlflow_run_id, name), key=lambda point: (point.step, point.timestamp)
        )
        values = {point.step: _finite_or_nan(point.value) for point in history}
        for step, value in values.items():
            self._runs.log_metrics(run_id, step, {name: value})
        if n_repeated := len(history) - len(values):
            self.notes.append(f"{name} has several values at the same step; {n_repeated} earlier ones were left out.")
        if n_gaps := sum(map(math.isnan, values.values())):
            self.notes.append(f"{name} is NaN or infinite at {n_gaps} of {len(values)} steps, which are gaps here.")

    def _parent(self, theirs: Any) -> str:
        """Return the run of ours that a run is part of, imported if need be; empty without one."""
        mlflow_run_id = theirs.data.tags.get(PARENT)
        if not mlflow_run_id:
            return ""
        known = self.known(mlflow_run_id)
        if known is not None and known.is_over:
            return known.run_id
        parent = None if mlflow_run_id in self._waiting else self._find(mlflow_run_id)
        if parent is None or parent.info.lifecycle_stage == "deleted":
            if known is not None:
                return known.run_id
            self.notes.append(f"It is part of MLflow run {mlflow_run_id}, which cannot be imported, and is not nested.")
            return ""
        run = self.fill(known, parent) if known else self.take(parent)
        self.notes.append(f"It is part of MLflow run {mlflow_run_id}, which was imported as {run.run_id}.")
        return run.run_id

    def _find(self, mlflow_run_id: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_run(mlflow_run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None


def _finite_or_nan(value: float) -> float:
    # MLflow's databases store infinity as the largest float.
    return value if abs(value) < sys.float_info.max else math.nan


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
