"""The record of every training: documents for the runs, telemetry for their metrics."""

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import RefusedError, UsageError
from core.escape import is_shown_as_is, shown
from core.files import sha256_of
from core.governance.audit import audited
from core.settings.sealing import opened_content
from core.state import Workspace
from core.text_limits import require_tags
from core.tracking import heartbeat
from core.tracking.divergence import last_values
from core.tracking.environment import environment, git_state
from core.tracking.errors import ParameterChangedError, RunIsOverError
from core.tracking.removal import Removals
from core.tracking.run import MadeElsewhere, Run, RunArtifact, RunStatus, run_number
from core.tracking.run_reader import DATABASE, RunReader

if TYPE_CHECKING:
    from core.telemetry import TelemetryWriter

log = logging.getLogger(__name__)

Edit: TypeAlias = Callable[[Run], dict[str, Any]]
"""From the present run to the fields to change."""


class Runs(RunReader):
    """The runs of one workspace. Cheap to make; safe to share between threads."""

    def __init__(
        self, workspace: Workspace, *, telemetry: "TelemetryWriter | None" = None, clock: Clock = utc_now
    ) -> None:
        """Open the runs.

        Args:
            workspace: The workspace.
            telemetry: Where metrics are written; by default an own writer, opened on first use and
                closed by `close`.
            clock: The current time.
        """
        super().__init__(workspace, clock=clock)
        self._writer = telemetry
        self._owns_writer = telemetry is None
        self._removals = Removals(workspace, DATABASE, clock=clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Flush the buffer, and close the writer if this object opened it."""
        if self._writer is not None and self._owns_writer:
            self._writer.close()
            self._writer = None

    def start(
        self,
        *,
        name: str,
        actor: Actor,
        session_id: str = "",
        parameters: Mapping[str, Any] | None = None,
        data_hashes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        parent_id: str = "",
        lost_after_seconds: float | None = None,
        code: Path | None = None,
        elsewhere: MadeElsewhere | None = None,
        reason: str = "",
    ) -> Run:
        """Open the record of a training, with the environment it starts in.

        Args:
            name: For people.
            actor: Who starts it.
            session_id: The session it belongs to.
            parameters: Everything that decides its outcome, as plain JSON values, nested to any depth.
            data_hashes: SHA-256 by the name of the data set.
            tags: Further words to find it by.
            parent_id: The run it is part of.
            lost_after_seconds: How long its process may be silent before the run is lost; `beat` ends the silence.
                None for a run that an engine is responsible for.
            code: The folder of the training code, whose git state is recorded; by default this package.
            elsewhere: When and with what code a run was made that is not made here; its environment is unknown.
            reason: Why, for the audit log.

        Raises:
            RunNotFoundError: There is no such parent.
        """
        if not is_shown_as_is(name):
            raise UsageError(
                f"{shown(name)} is not a run's name: it must be one line, of characters that a terminal shows."
            )
        require_tags(tags or {})
        # Before the lock: git is slow.
        made_in = ({}, elsewhere.git) if elsewhere else (environment(), git_state(code or Path(__file__).parent))
        now, author = self._clock(), str(actor)
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            if parent_id and self._documents.find(parent_id) is None:
                raise self._not_found(parent_id)
            newest = max((run_number(run.run_id) for run in self._documents.all()), default=0)
            newest = max(newest, self._removals.highest_number())
            run = self._documents.insert(
                Run(
                    run_id=f"r-{newest + 1:04d}",
                    session_id=session_id,
                    name=name,
                    status=RunStatus.RUNNING,
                    started_at=elsewhere.started_at if elsewhere else now,
                    started_by=author,
                    parameters=dict(parameters or {}),
                    environment=made_in[0],
                    git=made_in[1],
                    data_hashes=dict(data_hashes or {}),
                    tags=dict(tags or {}),
                    parent_id=parent_id,
                    lost_after_seconds=lost_after_seconds,
                    updated_at=now,
                    updated_by=author,
                )
            )
            change.record("run.start", run.run_id, after={"name": name, "session_id": session_id, "status": run.status})
        return run

    def log_metrics(self, run_id: str, epoch: int, metrics: Mapping[str, float]) -> None:
        """Add the metrics of one epoch to a run's history, on disk within a second.

        It reads and writes no document, so it may be called at every epoch.
        """
        self._telemetry().add_epoch(run_id, epoch, metrics, self._clock())

    def beat(self, run_id: str) -> None:
        """Record that the process of a run is alive, within a second and without writing a document."""
        heartbeat.beat(self._telemetry(), run_id, self._clock())

    def settle(self, *, actor: Actor) -> list[Run]:
        """Record which runs of other processes are lost, and which lost runs reported again.

        Returns:
            The runs whose status changed.
        """
        runs, beats = self._documents.all(), self._beats()
        settled = []
        for run in heartbeat.silent(runs, beats, self._clock()):
            reason = f"silent for more than {run.lost_after_seconds:g} s"
            settled.append(self.finish(run.run_id, RunStatus.LOST, actor=actor, reason=reason))
        for run in heartbeat.heard_again(runs, beats):
            settled.append(self.reopen(run.run_id, actor=actor, reason="its process reported again"))
        return settled

    def log_parameters(self, run_id: str, parameters: Mapping[str, Any], *, actor: Actor) -> Run:
        """Record further parameters of a run.

        Raises:
            ParameterChangedError: The run has a parameter with another value.
            RunIsOverError: The run has ended.
        """

        def edit(run: Run) -> dict[str, Any]:
            for name, value in parameters.items():
                if name in run.parameters and run.parameters[name] != value:
                    raise ParameterChangedError(run_id, name, run.parameters[name], value)
            return {"parameters": {**run.parameters, **parameters}}

        return self._update(run_id, actor, verb="run.log_parameters", edit=edit)

    def set_tags(
        self,
        run_id: str,
        tags: Mapping[str, str],
        *,
        actor: Actor,
        reason: str = "",
        expected_revision: int | None = None,
    ) -> Run:
        """Add words to find a run by, also after its end; an empty value removes a tag.

        Raises:
            StaleRevisionError: The run is not at the expected revision.
            UsageError: A name or a value is too long.
        """
        require_tags(tags)
        return self._update(
            run_id,
            actor,
            verb="run.tag",
            edit=lambda run: {"tags": {name: value for name, value in {**run.tags, **tags}.items() if value}},
            reason=reason,
            even_if_over=True,
            expected_revision=expected_revision,
        )

    def log_artifact(self, run_id: str, *paths: Path, actor: Actor) -> Run:
        """Hash files and record them with a run; a file recorded before is replaced.

        Raises:
            UsageError: A file cannot be read.
            RunIsOverError: The run has ended.
        """
        noted = {artifact.path: artifact for artifact in map(self._hashed, paths)}
        return self._update(
            run_id,
            actor,
            verb="run.log_artifact",
            edit=lambda run: {
                "artifacts": (*(kept for kept in run.artifacts if kept.path not in noted), *noted.values())
            },
        )

    def set_data_hashes(self, run_id: str, data_hashes: Mapping[str, str], *, actor: Actor) -> Run:
        """Record the hashes of further data sets a run was trained on.

        Raises:
            RunIsOverError: The run has ended.
        """
        return self._update(
            run_id,
            actor,
            verb="run.log_data",
            edit=lambda run: {"data_hashes": {**run.data_hashes, **data_hashes}},
        )

    def finish(
        self, run_id: str, status: RunStatus, *, actor: Actor, reason: str = "", ended_at: datetime | None = None
    ) -> Run:
        """Close the record of a training, with the last value of each of its metrics.

        Args:
            run_id: The run.
            status: How it ended.
            actor: Who closes it.
            reason: Why, for the audit log.
            ended_at: The end of a run that was made elsewhere; by default now.
        Raises:
            UsageError: The status says that it is still running.
            RunIsOverError: The run has already ended.
        """
        if status is RunStatus.RUNNING:
            raise UsageError("A run must end as finished, failed, stopped or lost.")
        if self._writer is not None:
            self._writer.flush()

        def edit(run: Run) -> dict[str, Any]:
            last = last_values(self._reader(), run_id, run.metrics)
            return {"status": status, "ended_at": ended_at or self._clock(), **last._asdict()}

        return self._update(run_id, actor, verb="run.finish", reason=reason, edit=edit)

    def reopen(self, run_id: str, *, actor: Actor, reason: str = "") -> Run:
        """Reopen a run that ended early, for a resumed session; its history continues."""
        return self._update(
            run_id,
            actor,
            verb="run.reopen",
            reason=reason,
            edit=lambda run: {"status": RunStatus.RUNNING, "ended_at": None},
            even_if_over=True,
        )

    def prune(
        self,
        *,
        keep: int,
        referenced: Collection[str],
        actor: Actor,
        only: Collection[str] | None = None,
        reason: str = "",
    ) -> int:
        """Remove the oldest ended runs that no version or session refers to, with their metrics.

        A run also stays while one of its parts stays. Files that a run names stay: they were never copied. A process
        that is killed in the middle leaves a list, which the next prune or the next engine completes.

        Args:
            keep: How many runs may stay.
            referenced: Ids of runs that always stay.
            actor: Who removes them.
            only: The ids that may be removed; by default any.
            reason: Why, for the record.
        Returns:
            How many runs were removed.
        Raises:
            RefusedError: One of them must stay now, since something changed meanwhile; nothing was removed.
        """
        self._removals.complete(actor=actor)
        prunable = self.prunable(keep=keep, referenced=referenced)
        doomed = [run for run in prunable if only is None or run.run_id in only]
        if not doomed:
            return 0
        why = reason or f"only {keep} runs are kept"
        with audited(self._workspace, DATABASE, actor=actor, reason=why, clock=self._clock) as change:
            still = {run.run_id for run in self.prunable(keep=keep, referenced=referenced)}
            for run in doomed:
                if run.run_id not in still:
                    raise RefusedError(f"{run.run_id} must stay now; nothing was removed. Review the plan again.")
                change.record("run.prune", run.run_id, before={"name": run.name, "status": run.status})
            self._documents.remove_all(run.run_id for run in doomed)
            self._removals.add(doomed, self._clock())
        log.info("removed %d runs, %s to %s: %s", len(doomed), doomed[0].run_id, doomed[-1].run_id, why)
        self._removals.complete(actor=actor)
        return len(doomed)

    def complete_removals(self, *, actor: Actor) -> int:
        """Delete the metrics of runs that a killed process had removed; return how many rows were deleted."""
        return self._removals.complete(actor=actor)

    def _update(
        self,
        run_id: str,
        actor: Actor,
        *,
        verb: str,
        edit: Edit,
        reason: str = "",
        even_if_over: bool = False,
        expected_revision: int | None = None,
    ) -> Run:
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            if (run := self._documents.find(run_id)) is None:
                raise self._not_found(run_id)
            if run.is_over and not even_if_over:
                raise RunIsOverError(run_id, run.status)
            edited = msgspec.structs.replace(run, **edit(run), updated_at=self._clock(), updated_by=str(actor))
            stored = self._documents.replace(edited, expected_revision=expected_revision)
            change.record(verb, run_id, before=run, after=stored)
            return stored

    def _hashed(self, path: Path) -> RunArtifact:
        try:
            with opened_content(path, follow_links=True) as file:
                sha256 = sha256_of(file)
                n_bytes = file.tell()
        except OSError as error:
            raise UsageError(f"{path} cannot be recorded with the run: {error.strerror or error}.") from error
        absolute = path.absolute()
        inside = absolute.is_relative_to(self._workspace.root)
        shown = absolute.relative_to(self._workspace.root) if inside else absolute
        return RunArtifact(path=shown.as_posix(), sha256=sha256, n_bytes=n_bytes)

    def _telemetry(self) -> "TelemetryWriter":
        if self._writer is None:
            from core.telemetry import TelemetryWriter

            self._writer = TelemetryWriter(self._workspace.telemetry_file)
        return self._writer
