"""`ExperimentTracker`: logging runs, in a `with` block or from `start_run` to `end_run`."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.api.arguments import checked
from core.api.config import MLOpsConfig
from core.errors import UsageError
from core.escape import shown
from core.tracking import ActiveRun, Experiment, Run, Runs, RunStatus, end_at_exit, track


class ExperimentTracker:
    """The runs of one workspace. Each thread has its own active run; a nested run is active until it ends."""

    def __init__(self, config: MLOpsConfig | None = None) -> None:
        """Open the tracker; by default for the workspace that `MLOpsConfig.from_yaml()` finds."""
        self._config = config or MLOpsConfig.from_yaml()
        self._active = threading.local()

    @checked
    def start_run(
        self,
        name: str = "run",
        *,
        parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        nested: bool = False,
    ) -> ActiveRun:
        """Start a run and make it active; in a `with` block it ends with the block.

        Args:
            name: For people.
            parameters: Everything that decides the outcome, as plain JSON values; `log_parameters` adds more.
            tags: Words to find it by.
            nested: Make it part of the active run: a fold, a trial, a stage.
        Raises:
            UsageError: A run is already active, none is active to nest in, or a required tag is missing.
        """
        stack = self._stack()
        if nested and not stack:
            raise UsageError("No run is active to nest this run in.")
        if stack and not nested:
            raise UsageError(f"Run {stack[-1].run_id} is active: call end_run() first, or nest this run (nested=True).")
        if nested:
            run = stack[-1].child(name, parameters=parameters, tags=tags)
        else:
            run = track(
                self._config.workspace,
                name,
                parameters=parameters,
                tags=tags,
                actor=self._config.actor,
                policy=self._config.policy.tracking,
            )
        stack.append(run)
        end_at_exit(run)
        return run

    @property
    def active_run(self) -> ActiveRun:
        """The run that this thread logs to.

        Raises:
            UsageError: No run is active.
        """
        if not (stack := self._stack()):
            raise UsageError("No run is active: call start_run() first.")
        return stack[-1]

    @checked
    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Record what decides the outcome, nested to any depth; a recorded parameter cannot change."""
        self.active_run.log_parameters(parameters)

    def log_metric(self, name: str, value: float, *, step: int | None = None) -> None:
        """Log one value; without a step, the last step plus one."""
        self.active_run.log_metric(name, value, step=step)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        """Log a value of each of several metrics."""
        self.active_run.log_metrics(metrics, step=step)

    @checked
    def log_artifact(self, *paths: Path | str) -> None:
        """Record files with their SHA-256; they are not copied."""
        self.active_run.log_artifact(*paths)

    @checked
    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Add words to find the run by; an empty value removes a tag."""
        self.active_run.set_tags(tags)

    @checked
    def end_run(self, status: RunStatus | str = RunStatus.FINISHED) -> Run:
        """End the active run, with the last value of each metric.

        Args:
            status: finished, failed or stopped.
        Returns:
            The run as stored.
        """
        run = self.active_run
        try:
            ended = RunStatus(str(status).lower())
        except ValueError:
            raise UsageError(f"{shown(status)} is not an end status; use finished, failed or stopped.") from None
        return run.end(ended)

    @checked
    def search_runs(self, expression: str = "") -> list[Run]:
        """Return the runs that match `metrics.mae < 0.2 and params.model = 'spread'`, or all, oldest first.

        Raises:
            ExpressionError: The expression cannot be read; the message shows where.
        """
        runs = Runs(self._config.workspace)
        return runs.search(expression) if expression else runs.all()

    def experiments(self) -> list[Experiment]:
        """Return the groups of runs with the same tag `experiment_name`, each with its best run; the newest first."""
        return Runs(self._config.workspace).experiments()

    @checked
    def metric_history(self, run_id: str) -> dict[str, list[tuple[int, float]]]:
        """Return every metric of a run as (step, value); `metric_pages` takes a long run in pieces."""
        return Runs(self._config.workspace).metric_history(run_id)

    @checked
    def metric_pages(self, run_id: str) -> Iterator[dict[str, list[tuple[int, float]]]]:
        """Return every metric of a run as `metric_history` does, ten thousand steps at a time, in order of the steps.

        Raises:
            RunNotFoundError: There is no such run.
        """
        runs = Runs(self._config.workspace)
        return runs.metric_pages(runs.get(run_id).run_id)

    def _stack(self) -> list[ActiveRun]:
        stack: list[ActiveRun] = getattr(self._active, "stack", [])
        self._active.stack = stack = [run for run in stack if not run.is_over]
        return stack
