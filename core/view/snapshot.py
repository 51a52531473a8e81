"""One immutable picture of a workspace, cheap to take again while nothing has changed.

Each part is read only when the signature of its file has moved, and a part that cannot be read keeps its last
good state and says what is wrong: a damaged file is then one sentence on a screen, not a dead screen.
Nothing heavy is imported here: the console and `bondx status` start from this module.
"""

import functools
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from core.clock import Clock, utc_now
from core.errors import CoreError

if TYPE_CHECKING:
    from core.alerts import Alert
    from core.governance import AuditRecord
    from core.registry import Alias, ModelVersion, PrunedVersion, RegisteredModel, Transition
    from core.rollout.rollout import Rollout
    from core.state import LeaseHolder, Workspace
    from core.telemetry import TelemetryReader
    from core.tracking import Run
    from core.training.session import Session

Point = tuple[float, float]  # unix seconds, value
EpochSeries = Mapping[str, tuple[tuple[int, float], ...]]  # metric -> (epoch, value) by epoch

RESOURCE_SERIES = (
    "resource.cpu_percent",
    "resource.memory_percent",
    "resource.disk_percent",
    "resource.net_sent_bytes_per_second",
    "resource.net_received_bytes_per_second",
    "process.engine.cpu_percent",
    "process.engine.rss_bytes",
    "process.trainer.cpu_percent",
    "process.trainer.rss_bytes",
)
HISTORY_SECONDS = 600
MAX_TRANSITIONS = 20  # of each model
MAX_AUDIT_RECORDS = 300
_SILENCE_SECONDS = 5.0  # how soon it is seen that a run's process says nothing any more
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything a screen shows, as of one instant."""

    taken_at: datetime
    workspace: Path
    engine: "LeaseHolder | None" = None
    models: "tuple[RegisteredModel, ...]" = ()
    versions: "tuple[ModelVersion, ...]" = ()
    transitions: "Mapping[str, tuple[Transition, ...]]" = field(
        default_factory=lambda: _NOTHING
    )  # by model, newest first
    aliases: "tuple[Alias, ...]" = ()
    pruned: "tuple[PrunedVersion, ...]" = ()  # what is kept of versions that are gone
    rollouts: "tuple[Rollout, ...]" = ()  # newest first
    sessions: "tuple[Session, ...]" = ()  # newest first
    alerts: "tuple[Alert, ...]" = ()
    runs: "tuple[Run, ...] | None" = None  # newest first; None where nobody looks at them
    epochs: Mapping[str, EpochSeries] = field(default_factory=lambda: _NOTHING)  # by run id
    resources: Mapping[str, tuple[Point, ...]] = field(default_factory=lambda: _NOTHING)  # by series, oldest first
    audit: "tuple[AuditRecord, ...]" = ()  # newest first
    problems: tuple[str, ...] = ()

    def latest(self, series: str) -> float | None:
        """Return the newest sample of a resource series, or None before the first."""
        points = self.resources.get(series, ())
        return points[-1][1] if points else None

    def session(self, session_id: str) -> "Session | None":
        """Return the session of this name, if there is one."""
        return next((session for session in self.sessions if session.session_id == session_id), None)

    def history(self, model: str) -> "tuple[Transition, ...]":
        """Return the newest moves of a model between stages, the newest first."""
        return self.transitions.get(model, ())

    def run(self, run_id: str) -> "Run | None":
        """Return the run of this id, if there is one and somebody looks at runs."""
        return next((run for run in self.runs or () if run.run_id == run_id), None)

    def active_session(self) -> "Session | None":
        """Return the newest session that is not at rest, or the newest of all when every one is."""
        at_work = (session for session in self.sessions if not session.observed.phase.is_at_rest)
        return next(at_work, self.sessions[0] if self.sessions else None)

    def rollout(self, rollout_id: str) -> "Rollout | None":
        """Return the rollout of this id, if there is one."""
        return next((rollout for rollout in self.rollouts if rollout.rollout_id == rollout_id), None)

    def active_rollout(self, model: str) -> "Rollout | None":
        """Return the rollout in which a candidate of this model is being judged, if there is one."""
        return next((rollout for rollout in self.rollouts if rollout.model == model and rollout.is_active), None)

    def aliases_of(self, model: str, version: str) -> tuple[str, ...]:
        """Return the aliases of a version, spelled with their mark."""
        return tuple(f"@{a.alias}" for a in self.aliases if a.model == model and a.version == version)

    def version(self, model: str, version: str) -> "ModelVersion | None":
        """Return one version of a model, if there is one."""
        return next((v for v in self.versions if v.model == model and v.version == version), None)


class SnapshotSource:
    """Takes snapshots of one workspace, reading again only the parts that have changed."""

    def __init__(
        self,
        workspace: "Workspace",
        *,
        clock: Clock = utc_now,
        history_seconds: float = HISTORY_SECONDS,
        documents_only: bool = False,
    ) -> None:
        """Prepare to take snapshots; nothing is read yet.

        Args:
            workspace: An open workspace.
            clock: The time.
            history_seconds: How far the samples reach back.
            documents_only: Every document, and nothing that is kept as a history of its own: samples, epochs and the
                audit record.
        """
        self._workspace = workspace
        self._documents_only = documents_only
        self._clock = clock
        self._history = timedelta(seconds=history_seconds)
        self._followed: frozenset[str] = frozenset()
        self._looks_at_runs = documents_only
        self._samples: dict[str, tuple[Point, ...]] = {}
        self._marks: dict[str, Hashable] = {}
        self._problems: dict[str, str] = {}
        self._reader: TelemetryReader | None = None
        self._last = Snapshot(taken_at=clock(), workspace=workspace.root)
        self._lock = threading.Lock()

    def follow(self, run_ids: Iterable[str]) -> None:
        """Ask for the epoch history of these runs, beside that of the active session."""
        self._followed = frozenset(run_ids)

    def look_at_runs(self, wanted: bool) -> None:
        """Have the runs in the snapshots, or leave them as they were: what is logged changes them every second."""
        self._looks_at_runs = wanted

    def take(self) -> Snapshot:
        """Return the current snapshot: the very object of the last call when nothing has changed."""
        with self._lock:
            problems_before = dict(self._problems)
            changes: dict[str, Any] = {}
            self._refresh("engine", self._read_engine, changes)
            for name, read in (
                ("registry", self._read_registry),
                ("sessions", self._read_sessions),
                ("alerts", self._read_alerts),
            ):
                self._refresh(name, read, changes, mark=functools.partial(self._database_mark, name))
            # In the registry's file, too, but a part of its own: while one is active it changes every few seconds.
            self._refresh("rollouts", self._read_rollouts, changes, mark=lambda: self._database_mark("registry"))
            if self._looks_at_runs:
                self._refresh("runs", self._read_runs, changes, mark=self._runs_mark)
            if not self._documents_only:
                self._refresh_histories(changes)
            if self._problems != problems_before:
                changes["problems"] = tuple(self._problems.values())
            news = {name: value for name, value in changes.items() if value != getattr(self._last, name)}
            if news:
                self._last = replace(self._last, taken_at=self._clock(), **news)
            return self._last

    def _refresh_histories(self, changes: dict[str, Any]) -> None:
        telemetry = _file_mark(self._workspace.telemetry_file)
        self._refresh("resources", self._read_resources, changes, mark=lambda: telemetry)
        run_ids = self._run_ids(changes.get("sessions", self._last.sessions))
        self._refresh(
            "epochs", lambda: {"epochs": self._read_epochs(run_ids)}, changes, mark=lambda: (telemetry, run_ids)
        )
        self._refresh("audit", self._read_audit, changes, mark=lambda: audit_mark(self._workspace))

    def _refresh(
        self,
        name: str,
        read: Callable[[], dict[str, Any]],
        changes: dict[str, Any],
        *,
        mark: Callable[[], Hashable] | None = None,
    ) -> None:
        try:
            now = mark() if mark else None
            if mark and self._marks.get(name) == now:
                return
            changes.update(read())
        except (CoreError, OSError) as error:
            self._problems[name] = str(error)
            self._marks.pop(name, None)  # look again next time: somebody may have repaired it
        else:
            self._marks[name] = now
            self._problems.pop(name, None)

    def _database_mark(self, name: str) -> Hashable:
        return self._workspace.database(name).signature()

    def _run_ids(self, sessions: "tuple[Session, ...]") -> frozenset[str]:
        newest = next((s for s in sessions if not s.observed.phase.is_at_rest), sessions[0] if sessions else None)
        return self._followed | {newest.run_id} if newest and newest.run_id else self._followed

    def _read_engine(self) -> dict[str, Any]:
        from core.state import read_lease

        return {"engine": read_lease(self._workspace)}

    def _read_registry(self) -> dict[str, Any]:
        from core.registry import Registry

        registry = Registry(self._workspace)
        models = tuple(registry.models())
        return {
            "models": models,
            "versions": tuple(registry.versions()),
            "aliases": tuple(registry.all_aliases()),
            "pruned": tuple(registry.pruned()),
            "transitions": MappingProxyType(
                {model.model: tuple(registry.history(model.model)[:MAX_TRANSITIONS]) for model in models}
            ),
        }

    def _read_rollouts(self) -> dict[str, Any]:
        if "rollouts" not in self._workspace.database("registry").tables():
            return {"rollouts": ()}  # most workspaces have none, and then need not know what one is
        from core.rollout.rollouts import Rollouts

        return {"rollouts": tuple(reversed(Rollouts(self._workspace).all()))}

    def _runs_mark(self) -> Hashable:
        """What changes whenever a run may have: with its document and, while it goes on, with what it logs or not."""
        goes_on = any(run.ended_at is None for run in self._last.runs or ())
        heard = (_file_mark(self._workspace.telemetry_file), self._clock().timestamp() // _SILENCE_SECONDS)
        return self._database_mark("runs"), heard if goes_on else None

    def _read_runs(self) -> dict[str, Any]:
        from core.tracking.runs import Runs

        return {"runs": tuple(Runs(self._workspace, clock=self._clock).latest())}

    def _read_sessions(self) -> dict[str, Any]:
        from core.training.sessions import Sessions

        return {"sessions": tuple(reversed(Sessions(self._workspace).all()))}

    def _read_alerts(self) -> dict[str, Any]:
        from core.alerts import Alerts

        return {"alerts": tuple(Alerts(self._workspace).all())}

    def _read_resources(self) -> dict[str, Any]:
        """Fetch what has come since the last look, and let go of what is older than the history."""
        reader = self._telemetry()
        now = self._clock()
        horizon = now - self._history
        for series in RESOURCE_SERIES:
            known = self._samples.get(series, ())
            newest = known[-1][0] if known else 0.0
            start = max(horizon, datetime.fromtimestamp(newest, now.tzinfo))
            fresh = tuple(point for point in reader.samples(series, start, now) if point[0] > newest)
            if fresh or (known and known[0][0] < horizon.timestamp()):
                kept = known + fresh
                self._samples[series] = tuple(point for point in kept if point[0] >= horizon.timestamp())
        return {"resources": MappingProxyType(dict(self._samples))}

    def _read_epochs(self, run_ids: Iterable[str]) -> Mapping[str, EpochSeries]:
        reader = self._telemetry()
        return MappingProxyType(
            {
                run_id: MappingProxyType({metric: tuple(points) for metric, points in reader.epochs(run_id).items()})
                for run_id in sorted(run_ids)
            }
        )

    def _telemetry(self) -> "TelemetryReader":
        from core.telemetry import TelemetryReader

        if self._reader is None:
            self._reader = TelemetryReader(self._workspace.telemetry_file)
        return self._reader

    def _read_audit(self) -> dict[str, Any]:
        return {"audit": newest_records(self._workspace)}


def newest_records(workspace: "Workspace", *, until: datetime | None = None) -> "tuple[AuditRecord, ...]":
    """Return the newest audit records, the newest first.

    Args:
        workspace: Whose.
        until: Leave out what came after this instant.
    """
    from core.governance import AuditLog

    if not workspace.audit_file.exists():
        return ()  # opening the log would make its key, which is for those who write
    return tuple(reversed(AuditLog(workspace).tail(MAX_AUDIT_RECORDS, until=until)))


def audit_mark(workspace: "Workspace") -> Hashable:
    """Return what changes whenever a record is added to the audit log."""
    return _file_mark(workspace.audit_file)


def _file_mark(file: Path) -> Hashable:
    """Tell two states of an SQLite or append-only file apart by a stat of it and of its write-ahead log."""
    marks: list[tuple[int, int, int] | None] = []
    for path in (file, file.with_name(file.name + "-wal")):
        try:
            status = path.stat()
            marks.append((status.st_ino, status.st_size, status.st_mtime_ns))
        except OSError:
            marks.append(None)
    return tuple(marks)


@functools.lru_cache(maxsize=4)
def _source_of(workspace: "Workspace") -> SnapshotSource:
    return SnapshotSource(workspace)


def take_snapshot(workspace: "Workspace") -> Snapshot:
    """Take a snapshot for a caller that keeps no source of its own; repeated calls share one cache.

    Args:
        workspace: An open workspace.
    Returns:
        Its present state; `problems` names the parts that could not be read.
    """
    return _source_of(workspace).take()
