"""One immutable picture of a workspace at one instant, which the console, the command line and the API show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from core.view.remembered import of_the_same

if TYPE_CHECKING:
    from core.alerts import Alert
    from core.alerts.silences import Silence
    from core.evidence import KeptPack
    from core.governance import AuditRecord
    from core.monitoring.documents import DriftBudget, ModelMonitoring
    from core.registry import Alias, ModelVersion, PrunedVersion, Quarantine, RegisteredModel, Transition
    from core.retraining.document import Retraining
    from core.rollout.rollout import Rollout
    from core.saved_views.saved_view import SavedView
    from core.state import LeaseHolder
    from core.stress.stored_tests import StressTest
    from core.telemetry.epoch_page import EpochPage
    from core.tracking import Run
    from core.training.session import Session

SeriesPoint = tuple[float, float]  # unix seconds, value
EpochSeries = Mapping[str, Sequence[tuple[int, float]]]
"""By metric: (epoch, value) by epoch. Of a long run these are the points that draw its course, extremes included."""

NO_ENGINE = "no engine is running"
SILENT_ENGINE = "the engine is silent"
HISTORY_SECONDS = 600
"""How far the samples of a snapshot reach back."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_SAMPLED = frozenset({"resources", "taken_at"})


def absence(holder: "LeaseHolder | None") -> str | None:
    """Say why no engine is at work: none is running, or it does not move; None while one works."""
    if holder is None:
        return NO_ENGINE
    return SILENT_ENGINE if holder.silent_since is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything a screen shows, as of one instant."""

    taken_at: datetime
    workspace: Path
    engine: "LeaseHolder | None" = None
    follows: str = ""  # of a replica: the URL of its desk, whose engine works; "" in the past, and of all others
    engine_left_at: datetime | None = None  # when the last engine ended; None while one runs, and in the past
    models: "tuple[RegisteredModel, ...]" = ()
    versions: "tuple[ModelVersion, ...]" = ()
    transitions: "Mapping[str, tuple[Transition, ...]]" = field(
        default_factory=lambda: _NOTHING
    )  # by model, newest first
    aliases: "tuple[Alias, ...]" = ()
    pruned: "tuple[PrunedVersion, ...]" = ()  # records of removed versions
    quarantined: "tuple[Quarantine, ...]" = ()  # versions that killed their loader
    rollouts: "tuple[Rollout, ...]" = ()  # newest first
    retrainings: "tuple[Retraining, ...]" = ()  # newest first
    monitoring: "tuple[ModelMonitoring, ...]" = ()  # of each model with a live version
    drift_budget: "DriftBudget | None" = None  # None before a live version was watched
    stress_tests: "tuple[StressTest, ...]" = ()  # newest first
    packs: "tuple[KeptPack, ...]" = ()  # evidence packs, newest first
    views: "tuple[SavedView, ...]" = ()  # saved views, by name
    sessions: "tuple[Session, ...]" = ()  # newest first
    alerts: "tuple[Alert, ...]" = ()
    silences: "tuple[Silence, ...]" = ()  # the next to end first
    inhibited: Mapping[str, str] = field(default_factory=lambda: _NOTHING)  # by fingerprint, the alert that hides it
    runs: "tuple[Run, ...] | None" = None  # newest first; None while no screen shows runs
    epochs: Mapping[str, EpochSeries] = field(default_factory=lambda: _NOTHING)  # by run id
    epoch_pages: "Mapping[str, EpochPage]" = field(default_factory=lambda: _NOTHING)  # by run id; the newest epochs
    resources: Mapping[str, tuple[SeriesPoint, ...]] = field(default_factory=lambda: _NOTHING)  # oldest first
    audit: "tuple[AuditRecord, ...]" = ()  # newest first
    problems: tuple[str, ...] = ()  # the first is `unwritable`, if it is not empty
    damaged: tuple[str, ...] = ()  # the problems of files that cannot be read; settings have an alert of their own
    unwritable: str = ""  # why nothing can be recorded now, an alert about it included
    unread: frozenset[str] = frozenset()  # parts that were never read: what stands here for them is no fact
    unreadable: frozenset[str] = frozenset()  # parts that cannot be read now: what stands here for them is old

    @property
    def absence(self) -> str | None:
        """Why no engine is at work: none is running, or it does not move; None while one works, here or at the desk."""
        return None if self.follows and self.engine is None else absence(self.engine)

    @property
    def checked_until(self) -> datetime | None:
        """Until when an engine looked for problems; None while one does, and where that is not known."""
        return self.engine_left_at if self.engine is None else self.engine.silent_since

    @property
    def unjudged(self) -> "tuple[Rollout, ...]":
        """The active rollouts while no engine is at work: none is judged, and none rolled back for harm."""
        return tuple(rollout for rollout in self.rollouts if rollout.is_active) if self.absence else ()

    def differs_in_samples_alone(self, before: "Snapshot") -> bool:
        """Say whether nothing but samples of the machine is new, which an engine takes once a second.

        Args:
            before: An earlier snapshot of the same source, which keeps the values that have not changed.
        """
        return all(
            getattr(self, each.name) is getattr(before, each.name) for each in fields(self) if each.name not in _SAMPLED
        )

    def latest(self, series: str) -> float | None:
        """Return the newest sample of a resource series, or None before the first."""
        points = self.resources.get(series, ())
        return points[-1][1] if points else None

    def session(self, session_id: str) -> "Session | None":
        """Return the session of this name, if there is one."""
        return next((session for session in self.sessions if session.session_id == session_id), None)

    def agents_of(self, session: "Session") -> "tuple[Session, ...]":
        """Return the sessions of the agents of a session."""
        return tuple(each for each in self.sessions if each.parent == session.session_id)

    def stress_test(self, test_id: str) -> "StressTest | None":
        """Return the stress test of this id, if there is one."""
        return next((test for test in self.stress_tests if test.test_id == test_id), None)

    def history(self, model: str) -> "tuple[Transition, ...]":
        """Return the newest moves of a model between stages, the newest first."""
        return self.transitions.get(model, ())

    def run(self, run_id: str) -> "Run | None":
        """Return the run with this id, if it exists and runs are read."""
        return next((run for run in self.runs or () if run.run_id == run_id), None)

    def active_session(self) -> "Session | None":
        """Return the session at work, else the next in the queue, else the newest unfinished one, else the newest.

        One session trains at a time, the oldest first; a queued session must not hide it.
        """
        unfinished = [session for session in self.sessions if not session.observed.phase.is_at_rest]
        waiting = [session for session in unfinished if session.wants_work]
        ordered = (
            *(session for session in unfinished if session.observed.phase.is_at_work),
            *reversed(waiting),
            *unfinished,
            *self.sessions,
        )
        return next(iter(ordered), None)

    def rollout(self, rollout_id: str) -> "Rollout | None":
        """Return the rollout of this id, if there is one."""
        return next((rollout for rollout in self.rollouts if rollout.rollout_id == rollout_id), None)

    def active_rollout(self, model: str) -> "Rollout | None":
        """Return the rollout in which a candidate of this model is being judged, if there is one."""
        return next((rollout for rollout in self.rollouts if rollout.model == model and rollout.is_active), None)

    def retraining(self, retraining_id: str) -> "Retraining | None":
        """Return the retraining of this id, if there is one."""
        return next((each for each in self.retrainings if each.retraining_id == retraining_id), None)

    def active_retraining(self, model: str) -> "Retraining | None":
        """Return the retraining of a model that is under way, if there is one."""
        return next((each for each in self.retrainings if each.model == model and each.is_active), None)

    def aliases_of(self, model: str, version: str) -> tuple[str, ...]:
        """Return the aliases of a version, spelled with their mark."""
        return tuple(f"@{a.alias}" for a in self.aliases if a.model == model and a.version == version)

    def quarantine_of(self, model: str, version: str) -> "Quarantine | None":
        """Return why no process loads a version, if it killed its loader."""
        return next((found for found in self.quarantined if (found.model, found.version) == (model, version)), None)

    def version(self, model: str, version: str) -> "ModelVersion | None":
        """Return one version of a model, if there is one."""
        return self.versions_by_key.get(f"{model}/{version}")

    @property
    def versions_by_key(self) -> "Mapping[str, ModelVersion]":
        """Every version by its key, such as "spread/1.4.0"."""
        return _by_key(self.versions)


@of_the_same
def _by_key(versions: "tuple[ModelVersion, ...]") -> "Mapping[str, ModelVersion]":
    return {version.key: version for version in versions}
