"""Status, resources, runs and audit records."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, get, patch
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from core.alerts import Alert
from core.governance import Anchor, AuditFilter, AuditLog, AuditRecord, AuditVerdict, EpochProof
from core.maintenance.doctor import examine
from core.maintenance.finding import Finding
from core.maintenance.space import WorkspaceSpace, measure
from core.maintenance.system_health import SystemHealth, read_health
from core.maintenance.workspace_health import WorkspaceHealth, examine_health
from core.monitoring.documents import HealthState
from core.serving.authenticator import Caller
from core.serving.control.admission import INSPECT, LOOK, OPERATE, Given
from core.serving.control.instants import checked_instants
from core.serving.control.versions import Words
from core.serving.errors import BadRequestError
from core.serving.table import ServingTable
from core.settings import settings_in_force
from core.state import LeaseHolder, Workspace
from core.telemetry import TelemetryReader
from core.tracking import Experiment, Run, RunComparison, Runs
from core.tracking.experiments import experiment_of
from core.tracking.run_reader import PAGE_EPOCHS
from core.training.session import Session
from core.view.parts.histories import RESOURCE_SERIES
from core.view.snapshot import Snapshot
from core.view.source import take_snapshot

MAX_EPOCH = (1 << 53) - 1
"""The largest whole number that every reader of JSON keeps."""
RUN_METRICS = "/api/v1/runs/{}/metrics"


class ServedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version loaded by this server."""

    model: str
    version: str
    stage: str
    is_default: bool
    labels: tuple[str, ...]
    is_fast: bool
    loaded_at: datetime
    load_seconds: float
    n_requests: int
    n_rows: int
    n_failures: int


class WorkspaceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace at a glance."""

    workspace: str
    engine: LeaseHolder | None
    ready: bool
    troubles: tuple[str, ...]
    serving: tuple[ServedVersion, ...]
    sessions: tuple[Session, ...]  # at work
    alerts: tuple[Alert, ...]  # open
    health: dict[str, HealthState]  # of each model with a live version, as the engine last found it
    resources: dict[str, float]
    problems: tuple[str, ...]
    unwritable: str | None  # why nothing can be recorded now, an alert about it included


class RecordRoutes(Controller):
    """Status and records."""

    path = "/"
    tags = ["records"]

    @get("/status", opt=LOOK, sync_to_thread=True)
    def get_status(
        self, workspace: Given[Workspace], table: Given[ServingTable], port_troubles: Given[tuple[str, ...]]
    ) -> WorkspaceStatus:
        """Report serving, training and problems."""
        snapshot = take_snapshot(workspace)
        troubles = (*port_troubles, *table.troubles())
        return WorkspaceStatus(
            workspace=workspace.root.name,
            engine=snapshot.engine,
            ready=not troubles,
            troubles=troubles,
            serving=_serving(table),
            sessions=tuple(s for s in snapshot.sessions if not s.observed.phase.is_at_rest),
            alerts=tuple(alert for alert in snapshot.alerts if alert.state.is_open),
            health={found.model: found.health.state for found in snapshot.monitoring},
            resources=_latest(snapshot),
            problems=((snapshot.engine.silence,) if snapshot.engine and snapshot.engine.silence else ())
            + snapshot.problems,
            unwritable=snapshot.unwritable or None,
        )

    @get("/resources", opt=LOOK, sync_to_thread=True)
    def get_resources(
        self,
        workspace: Given[Workspace],
        seconds: Annotated[float, QueryParameter(gt=0, le=3600, description="How far to look back.")] = 600.0,
    ) -> dict[str, list[tuple[float, float]]]:
        """Return samples of the machine and its processes by series, as Unix seconds and value."""
        reader = TelemetryReader(workspace.telemetry_file)
        try:
            return {series: reader.recent(series, seconds) for series in RESOURCE_SERIES}
        finally:
            reader.close()

    @get("/runs", opt=LOOK, sync_to_thread=True)
    def list_runs(
        self,
        workspace: Given[Workspace],
        matching: Annotated[
            str, QueryParameter(name="filter", description="Example: metrics.mae < 0.2 and params.model = 'spread'")
        ] = "",
        limit: Annotated[int | None, QueryParameter(ge=1, description="Return only the newest N runs.")] = None,
        experiment: Annotated[
            str | None, QueryParameter(description="Return only the runs of this experiment.")
        ] = None,
    ) -> list[Run]:
        """List tracked runs, newest first: all runs, or the runs that match an expression or are of an experiment."""
        with Runs(workspace) as runs:
            found = runs.search(matching) if matching else runs.latest()
        if experiment is not None:
            found = [run for run in found if experiment_of(run) == experiment]
        return sorted(found, key=lambda run: run.started_at, reverse=True)[:limit]

    @get("/runs/experiments", opt=LOOK, sync_to_thread=True)
    def list_experiments(self, workspace: Given[Workspace]) -> list[Experiment]:
        """List the groups of runs with the same tag `experiment_name`, each with its best run, newest first."""
        with Runs(workspace) as runs:
            return runs.experiments()

    @get("/runs/compare", opt=LOOK, sync_to_thread=True)
    def compare_runs(
        self, workspace: Given[Workspace], run_id: Annotated[list[str], QueryParameter(max_items=20)]
    ) -> RunComparison:
        """Compare runs; repeat `run_id` for each run."""
        if len(run_id) < 2:
            raise BadRequestError("must be given at least twice", field="run_id")
        with Runs(workspace) as runs:
            return runs.compare(run_id)

    @get("/runs/{run_id:str}", opt=LOOK, sync_to_thread=True)
    def get_run(self, workspace: Given[Workspace], run_id: FromPath[str]) -> Run:
        """Return one run."""
        with Runs(workspace) as runs:
            return runs.get(run_id)

    @get("/runs/{run_id:str}/metrics", opt=LOOK, sync_to_thread=True)
    def get_metrics(
        self,
        workspace: Given[Workspace],
        run_id: FromPath[str],
        after: Annotated[
            int | None, QueryParameter(ge=-MAX_EPOCH, le=MAX_EPOCH, description="The epoch before the first.")
        ] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=PAGE_EPOCHS, description="Epochs of one page.")] = PAGE_EPOCHS,
        spans: Annotated[
            int | None,
            QueryParameter(
                ge=1,
                le=1024,
                description="Return the course of the whole run instead, in at most N spans of up to four points.",
            ),
        ] = None,
    ) -> Response[dict[str, list[tuple[int, float]]]]:
        """Return the history of a run's metrics, as epoch and value, page by page.

        If more follows, the header `Link` names the next page with `rel="next"`. `spans` returns the points that draw
        the whole course instead: the extremes and the newest value are among them.
        """
        with Runs(workspace) as runs:
            if spans is not None:
                return Response(runs.metric_course(run_id, most_spans=spans))
            page, next_after = runs.metric_page(run_id, after=after, n_epochs=limit)
        query = f"after={next_after}&limit={limit}"
        links = {"Link": f'<{RUN_METRICS.format(run_id)}?{query}>; rel="next"'} if next_after is not None else {}
        return Response(page, headers=links)

    @patch("/runs/{run_id:str}/tags", opt=OPERATE, sync_to_thread=True)
    def set_tags(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        run_id: FromPath[str],
        data: JSONBody[Words],
    ) -> Run:
        """Add or remove tags of a run; other tags stay."""
        with Runs(workspace) as runs:
            return runs.set_tags(
                run_id,
                data.tags,
                actor=caller.actor,
                reason=data.reason,
                expected_revision=data.expected_revision,
            )

    @get("/doctor", opt=INSPECT, sync_to_thread=True)
    def examine_workspace(self, workspace: Given[Workspace]) -> list[Finding]:
        """Check every file of the workspace and report damage; repairs are made on the machine itself."""
        return examine(workspace)

    @get("/doctor/space", opt=LOOK, sync_to_thread=True)
    def measure_space(self, workspace: Given[Workspace]) -> WorkspaceSpace:
        """Measure every store: its size, growth a day and limit, and the forecast of the day the disk is full."""
        return measure(workspace, settings_in_force(workspace.root))

    @get("/health", opt=LOOK, sync_to_thread=True)
    def examine_health(self, workspace: Given[Workspace]) -> WorkspaceHealth:
        """Say whether the engine is alive and everything ready: workers with ages, lease, stores and breakers."""
        return examine_health(workspace)

    @get("/doctor/health", opt=LOOK, sync_to_thread=True)
    def read_system_health(self, workspace: Given[Workspace]) -> SystemHealth:
        """Return the state of the engine and its workers, as the engine wrote it last (every ten seconds)."""
        return read_health(workspace)

    @get("/audit", opt=LOOK, sync_to_thread=True)
    def list_audit(
        self,
        workspace: Given[Workspace],
        n: Annotated[int, QueryParameter(ge=1, le=10_000)] = 100,
        actor: Annotated[str, QueryParameter(description="Example: ana, ana@desk, or a pattern with *")] = "",
        verb: Annotated[str, QueryParameter(description="Example: promote, version.promote, or session.*")] = "",
        about: Annotated[str, QueryParameter(name="object", description="A part of the object's name.")] = "",
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        people: FromQuery[bool] = False,
    ) -> list[AuditRecord]:
        """Return the newest N records of the audit log, or of its records by actor, verb, object and time."""
        instants = checked_instants(since=since, until=until)
        wanted = AuditFilter(actor=actor, verb=verb, object=about, by_people=people, **instants)
        return AuditLog(workspace).search(wanted, limit=n)

    @get("/audit/epochs/{session_id:str}", opt=LOOK, sync_to_thread=True)
    def list_epochs(
        self,
        workspace: Given[Workspace],
        session_id: FromPath[str],
        n: Annotated[int, QueryParameter(ge=1, le=10_000)] = 100,
    ) -> list[AuditRecord]:
        """Return the records of the newest N epochs of a session, newest first."""
        return AuditLog(workspace).epochs(session_id, limit=n)

    @get("/audit/epochs/{session_id:str}/{epoch:str}/proof", opt=LOOK, sync_to_thread=True)
    def prove_epoch(self, workspace: Given[Workspace], session_id: FromPath[str], epoch: FromPath[int]) -> EpochProof:
        """Return the proof that an epoch is among those that the log sealed."""
        return AuditLog(workspace).prove_epoch(session_id, epoch)

    @get("/audit/verification", opt=LOOK, sync_to_thread=True)
    def verify_audit(self, workspace: Given[Workspace]) -> AuditVerdict:
        """Check the whole chain of the audit log, and the state files against it."""
        return AuditLog(workspace).verify()

    @get("/audit/anchor", opt=LOOK, sync_to_thread=True)
    def anchor_audit(self, workspace: Given[Workspace]) -> Anchor:
        """Return the newest position of the audit log, to keep where the account of the workspace cannot write."""
        return AuditLog(workspace).anchor()


def _serving(table: Given[ServingTable]) -> tuple[ServedVersion, ...]:
    return tuple(
        ServedVersion(
            model=served.model,
            version=number,
            stage=str(served.registered.get(number, "")),
            is_default=loaded is served.default,
            labels=tuple(label for label, version in served.labels.items() if version == number),
            is_fast=loaded.scorer.is_fast,
            loaded_at=loaded.loaded_at,
            load_seconds=loaded.load_seconds,
            n_requests=loaded.stats.n_requests,
            n_rows=loaded.stats.n_rows,
            n_failures=loaded.stats.n_errors,
        )
        for served in table.models.values()
        for number, loaded in served.versions.items()
    )


def _latest(snapshot: Snapshot) -> dict[str, Any]:
    latest = {series: snapshot.latest(series) for series in RESOURCE_SERIES}
    return {series: value for series, value in latest.items() if value is not None}
