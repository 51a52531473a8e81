"""A run that this process logs: a metric costs microseconds, and a process that dies leaves a run marked lost."""

import atexit
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from core.actor import Actor, Origin
from core.errors import CoreError, UsageError
from core.settings.policy import TrackingPolicy
from core.settings.policy_source import PolicySource
from core.state import Workspace
from core.text_limits import cut
from core.tracking.errors import RunIsOverError
from core.tracking.heartbeat import Heartbeat
from core.tracking.measurement import metric_name, metric_step, metric_value
from core.tracking.run import Run, RunStatus
from core.tracking.runs import Runs

log = logging.getLogger(__name__)

_open: list["ActiveRun"] = []
_open_lock = threading.Lock()


def track(
    workspace: Workspace,
    name: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    actor: Actor | None = None,
    policy: TrackingPolicy | None = None,
) -> "ActiveRun":
    """Start a run that this process logs, in any working folder.

    Args:
        workspace: The workspace.
        name: For people.
        parameters: Everything that decides the outcome, as plain JSON values; more may come later.
        tags: Words to find it by.
        actor: Who trains; by default the account this process runs for.
        policy: The tracking rules; by default the workspace's.
    Raises:
        UsageError: A tag that the policy requires is missing.
    """
    policy = policy or PolicySource(workspace.root).policy().tracking
    if missing := [tag for tag in policy.required_tags if not (tags or {}).get(tag)]:
        raise UsageError(f"The policy requires the tags {', '.join(missing)}; give each a value.")
    runs, actor = Runs(workspace), actor or Actor.current(Origin.API)
    run = runs.start(
        name=name,
        actor=actor,
        parameters=parameters,
        tags=tags,
        lost_after_seconds=policy.lost_after_seconds,
        code=Path.cwd(),
    )
    return ActiveRun(runs, Heartbeat(runs.beat, policy.heartbeat_seconds), run, actor, is_whole=True)


@contextmanager
def tracked_run(
    workspace: Workspace,
    runs: Runs,
    name: str,
    *,
    actor: Actor,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
    data_hashes: Mapping[str, str] | None = None,
) -> Iterator[Run]:
    """Open the run of a training of ours, keep its heartbeat while this process lives, and close it with its outcome.

    Args:
        workspace: The workspace.
        runs: Its runs.
        name: For people.
        actor: Who trains.
        parameters: Everything that decides the outcome, as plain JSON values.
        tags: Words to find it by.
        data_hashes: The SHA-256 of the data, by name, if it is known already.
    """
    policy = PolicySource(workspace.root).policy().tracking
    run = runs.start(
        name=name,
        actor=actor,
        parameters=parameters,
        data_hashes=data_hashes,
        tags=tags,
        lost_after_seconds=policy.lost_after_seconds,
    )
    with ActiveRun(runs, Heartbeat(runs.beat, policy.heartbeat_seconds), run, actor, is_whole=True):
        yield run


class ActiveRun:
    """One run being logged, ended at the end of its `with` block. Safe to share between threads."""

    def __init__(self, runs: Runs, heartbeat: Heartbeat, run: Run, actor: Actor, *, is_whole: bool) -> None:
        self.run_id = run.run_id
        self._runs = runs
        self._heartbeat = heartbeat
        self._actor = actor
        self._lost_after_seconds = run.lost_after_seconds
        self._is_whole = is_whole  # it is not part of another run of this process
        self._steps: dict[str, int] = {}
        self._ended: Run | None = None
        heartbeat.add(run.run_id)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._ended is not None

    def log_metric(self, name: str, value: float, *, step: int | None = None) -> None:
        """Log one value of a metric, on disk within a second; a non-finite value leaves a gap.

        Args:
            name: The name of the metric.
            value: A number.
            step: Epoch, iteration, batch; by default the metric's last step plus one.
        Raises:
            UsageError: The name is not text, the value is not a number, the step is not a whole number, or the run has
                ended.
        """
        if self._ended is not None:
            raise UsageError(f"Run {self.run_id} has ended; nothing more can be logged to it.")
        name = metric_name(name)
        number = metric_value(name, value)
        at = self._steps.get(name, -1) + 1 if step is None else metric_step(name, step)
        self._steps[name] = at
        self._runs.log_metrics(self.run_id, at, {name: number})

    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        """Log a value of each of several metrics; see `log_metric`.

        Raises:
            UsageError: Some were refused; each is named, and all others are logged.
        """
        refusals = []
        for name, value in metrics.items():
            try:
                self.log_metric(name, value, step=step)
            except UsageError as refusal:
                refusals.append(str(refusal))
        if refusals:
            n_logged = len(metrics) - len(refusals)
            raise UsageError(" ".join(refusals) + (f" The other {n_logged} were logged." if n_logged else ""))

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Record what decides the outcome, as plain JSON values, nested to any depth.

        Raises:
            ParameterChangedError: A parameter was recorded with another value.
        """
        self._runs.log_parameters(self.run_id, parameters, actor=self._actor)

    def log_artifact(self, *paths: Path | str) -> None:
        """Record files with their SHA-256; they are not copied."""
        self._runs.log_artifact(self.run_id, *map(Path, paths), actor=self._actor)

    def log_data(self, hashes: Mapping[str, str]) -> None:
        """Record the SHA-256 of its training data sets, by name."""
        self._runs.set_data_hashes(self.run_id, hashes, actor=self._actor)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Add words to find it by; an empty value removes a tag."""
        self._runs.set_tags(self.run_id, tags, actor=self._actor)

    def child(
        self, name: str, *, parameters: Mapping[str, Any] | None = None, tags: Mapping[str, str] | None = None
    ) -> "ActiveRun":
        """Start a run that is part of this run: a fold, a trial, a stage."""
        part = self._runs.start(
            name=name,
            actor=self._actor,
            parameters=parameters,
            tags=tags,
            parent_id=self.run_id,
            lost_after_seconds=self._lost_after_seconds,
            code=Path.cwd(),
        )
        return ActiveRun(self._runs, self._heartbeat, part, self._actor, is_whole=False)

    def end(self, status: RunStatus = RunStatus.FINISHED, *, reason: str = "") -> Run:
        """Close the record with the last value of each metric. Ending twice is harmless.

        Returns:
            The run as stored.
        """
        if self._ended is None:
            self._heartbeat.remove(self.run_id)
            self._ended = self._finish(status, reason)
            if self._is_whole:
                self._heartbeat.stop()
                self._runs.close()
        return self._ended

    def _finish(self, status: RunStatus, reason: str) -> Run:
        try:
            return self._runs.finish(self.run_id, status, actor=self._actor, reason=reason)
        except RunIsOverError:
            if self._runs.get(self.run_id).status is not RunStatus.LOST:
                raise
            # An engine has marked the run as lost, but its process was only suspended.
            self._runs.reopen(self.run_id, actor=self._actor, reason="its process reported again")
            return self._runs.finish(self.run_id, status, actor=self._actor, reason=reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
        elif isinstance(error, Exception):
            self.end(RunStatus.FAILED, reason=cut(f"{type(error).__name__}: {error}"))
        else:  # Ctrl-C, or the program exits
            self.end(RunStatus.STOPPED, reason=type(error).__name__)


def end_at_exit(run: ActiveRun) -> None:
    """End a run when the program ends, should it still be open then; what was logged to it is stored before."""
    with _open_lock:
        _open[:] = [other for other in _open if not other.is_over] + [run]


@atexit.register
def end_open_runs() -> None:
    """End, the latest first, the runs that a program left open; one that cannot be ended is named in the log."""
    with _open_lock:
        left = [run for run in reversed(_open) if not run.is_over]
        _open.clear()
    for run in left:
        try:
            run.end(RunStatus.STOPPED, reason="the program ended without ending its run")
        except CoreError as error:
            log.error("run %s, which was left open, could not be ended: %s", run.run_id, error)
