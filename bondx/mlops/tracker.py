"""`ExperimentTracker`: runs by their id, for programs that carry an id from call to call."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.api import MLOpsConfig
from core.api.arguments import checked
from core.errors import UsageError
from core.escape import shown
from core.tracking import ActiveRun, Experiment, Run, Runs, RunStatus, end_at_exit, track

_ENDINGS = {
    "completed": RunStatus.FINISHED,
    "finished": RunStatus.FINISHED,
    "failed": RunStatus.FAILED,
    "stopped": RunStatus.STOPPED,
    "killed": RunStatus.STOPPED,
}


class ExperimentTracker:
    """The runs of one workspace. Many runs may be open at a time, from any thread; logged values survive a crash."""

    def __init__(self, config: MLOpsConfig | None = None) -> None:
        """Open the tracker; by default for the workspace that `MLOpsConfig.from_yaml()` finds."""
        self._config = config or MLOpsConfig.from_yaml()
        self._open: dict[str, ActiveRun] = {}
        self._lock = threading.Lock()

    @checked
    def start_run(
        self,
        experiment_name: str,
        model_type: str = "",
        *,
        parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Start a run.

        Args:
            experiment_name: The experiment; it becomes the run's name and its tag `experiment_name`.
            model_type: The kind of model; it becomes the tag `model_type`.
            parameters: The hyperparameters, as plain JSON values; `log_parameters` adds more.
            tags: Further words to find it by.
        Returns:
            The id of the run, which every other method takes.
        Raises:
            UsageError: The name is empty, or the policy requires a tag.
        """
        if not isinstance(experiment_name, str) or not experiment_name.strip():
            raise UsageError(f"experiment_name is {experiment_name!r}; it must be a name.")
        own = {"experiment_name": experiment_name, "model_type": model_type}
        run = track(
            self._config.workspace,
            experiment_name,
            parameters=parameters,
            tags={**{name: value for name, value in own.items() if value}, **(tags or {})},
            actor=self._config.actor,
            policy=self._config.policy.tracking,
        )
        end_at_exit(run)
        with self._lock:
            self._open[run.run_id] = run
        return run.run_id

    @checked
    def log_parameters(self, run_id: str, parameters: Mapping[str, Any]) -> None:
        """Note what decides the outcome, nested at will; a parameter that is noted cannot change.

        Raises:
            ParameterChangedError: One of them was noted with another value.
            UsageError: The run is not open here.
        """
        self._run(run_id).log_parameters(parameters)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        """Log one value of each of several metrics; by default the step increments automatically.

        Raises:
            UsageError: A value is not a number, or the run is not open here.
        """
        self._run(run_id).log_metrics(metrics, step=step)

    @checked
    def log_artifact(self, run_id: str, path: Path | str) -> None:
        """Note a file with its SHA-256; it stays where it is.

        Raises:
            UsageError: The file cannot be read, or the run is not open here.
        """
        self._run(run_id).log_artifact(path)

    @checked
    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Add words to find the run by; an empty value removes a tag."""
        self._run(run_id).set_tags(tags)

    @checked
    def end_run(self, run_id: str, status: str = "completed") -> Run:
        """End a run, with the last value of each metric.

        Args:
            run_id: Of the run.
            status: completed, failed or stopped.
        Returns:
            The run as it is recorded.
        Raises:
            UsageError: The status is none of these, or the run is not open here.
        """
        ending = _ENDINGS.get(str(status).lower())
        if ending is None:
            raise UsageError(f"status is {shown(status)}; a run ends as completed, failed or stopped.")
        ended = self._run(run_id).end(ending)
        with self._lock:
            self._open.pop(run_id, None)
        return ended

    @checked
    def get_run(self, run_id: str) -> Run:
        """Return a run, open or not, of this process or another.

        Raises:
            RunNotFoundError: There is no such run.
        """
        return Runs(self._config.workspace).get(run_id)

    @checked
    def search_runs(self, expression: str = "") -> list[Run]:
        """Return the runs that match `metrics.mae < 0.2 and tags.model_type = 'lightgbm'`, or all, oldest first.

        Raises:
            ExpressionError: The expression cannot be read; the message shows where.
        """
        runs = Runs(self._config.workspace)
        return runs.search(expression) if expression else runs.all()

    def list_experiments(self) -> list[Experiment]:
        """Return the experiments, each with its number of runs and its best run; the newest first."""
        return Runs(self._config.workspace).experiments()

    def _run(self, run_id: str) -> ActiveRun:
        with self._lock:
            found = self._open.get(run_id)
            known = ", ".join(self._open) or "none"
        if found is None:
            raise UsageError(f"Run {shown(run_id)} is not open in this process. Open runs: {known}.")
        return found
