"""The parts that are documents in the state files."""

from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from typing_extensions import override

from core.view.parts.part import DocumentPart, file_mark
from core.view.parts.stored import Listed, Mapped, Single, Stored

MAX_TRANSITIONS = 20  # of each model
_SILENCE_SECONDS = 5.0  # how soon the silence of a run's process is noticed


class _OfDatabase(DocumentPart):
    """A part that changes with its database."""

    database: ClassVar[str]

    @override
    def mark(self) -> Hashable:
        return self._workspace.database(self.database).signature()


class EnginePart(DocumentPart):
    """The process that is the engine. Reading its lease is as cheap as a check for changes."""

    name = "engine"

    @override
    def read(self) -> Mapping[str, Any]:
        from core.state import read_lease

        return {"engine": read_lease(self._workspace)}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        from core.state import LeaseHolder

        return (Single("engine", LeaseHolder),)


class RegistryPart(_OfDatabase):
    """Models with their versions, the moves between stages, and aliases."""

    name = database = "registry"

    @override
    def read(self) -> Mapping[str, Any]:
        from core.registry import Registry

        registry = Registry(self._workspace)
        models = tuple(registry.models())
        moves = {model.model: tuple(registry.newest_moves(model.model, MAX_TRANSITIONS)) for model in models}
        return {
            "models": models,
            "versions": tuple(registry.versions_in_brief()),
            "aliases": tuple(registry.all_aliases()),
            "pruned": tuple(registry.pruned()),
            "quarantined": tuple(registry.quarantined()),
            "transitions": MappingProxyType(moves),
        }

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        from core.registry import Alias, ModelVersion, PrunedVersion, Quarantine, RegisteredModel, Transition

        return (
            Listed("models", RegisteredModel, key="model"),
            Listed("versions", ModelVersion, key="key"),
            Listed("aliases", Alias, key="key"),
            Listed("pruned", PrunedVersion, key="key"),
            Listed("quarantined", Quarantine, key="key"),
            Mapped("transitions", tuple[Transition, ...]),
        )


class SessionsPart(_OfDatabase):
    """Training sessions."""

    name = database = "sessions"

    @override
    def mark(self) -> Hashable:
        """A session is shown otherwise once a column of its gates is denied."""
        return super().mark(), file_mark(self._workspace.settings_file)

    @override
    def read(self) -> Mapping[str, Any]:
        from core.training.sessions import Sessions

        sessions = Sessions(self._workspace).all()[::-1]
        from core.training.later_denied import session_without_denied, tells_columns

        if any(map(tells_columns, sessions)):
            from core.explain.deny_list import DenyList

            denied = DenyList.in_force_or_all(self._workspace.root)
            sessions = [session_without_denied(session, denied) for session in sessions]
        return {"sessions": tuple(sessions)}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        from core.training.session import Session

        return (Listed("sessions", Session, key="session_id"),)


class AlertsPart(_OfDatabase):
    """Alerts, including recently resolved ones."""

    name = database = "alerts"

    @override
    def read(self) -> Mapping[str, Any]:
        from core.alerts import Alerts

        return {"alerts": tuple(Alerts(self._workspace).all())}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        from core.alerts import Alert

        return (Listed("alerts", Alert, key="fingerprint"),)


class SilencesPart(_OfDatabase):
    """Silences, including those that ended in the last days."""

    name = database = "silences"

    @override
    def read(self) -> Mapping[str, Any]:
        from core.alerts.silences import Silences

        return {"silences": tuple(Silences(self._workspace).all())}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        from core.alerts.silences import Silence

        return (Listed("silences", Silence, key="silence_id"),)


class RolloutsPart(_OfDatabase):
    """Rollouts. They are stored in the registry's file, but an active one changes every few seconds."""

    name = "rollouts"
    database = "registry"

    @override
    def read(self) -> Mapping[str, Any]:
        if "rollouts" not in self._workspace.database(self.database).tables():
            return {"rollouts": ()}  # most workspaces have none, and are spared the import
        from core.rollout.rollouts import Rollouts

        rollouts, unreadable = Rollouts(self._workspace).readable()
        if unreadable:  # what was last read of it must not pass for its state
            stale = (rollout for rollout in self._look.seen.rollouts if rollout.rollout_id in unreadable)
            rollouts += [rollout.cannot_be_read(unreadable[rollout.rollout_id]) for rollout in stale]
        if any(each.plan.slices for each in rollouts):
            from core.rollout.later_denied import all_as_shown

            rollouts = all_as_shown(self._workspace, rollouts)
        return {"rollouts": tuple(reversed(rollouts))}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        from core.rollout.rollout import Rollout

        return (Listed("rollouts", Rollout, key="rollout_id"),)


class MonitoringPart(_OfDatabase):
    """The monitoring of each model with a live version."""

    name = database = "monitoring"

    @override
    def read(self) -> Mapping[str, Any]:
        if not self._workspace.state_file(self.database).exists():
            return {"monitoring": (), "drift_budget": None}  # a workspace without a live version is spared the import
        from core.monitoring.monitoring_store import MonitoringStore

        store = MonitoringStore(self._workspace)
        return {"monitoring": tuple(store.all()), "drift_budget": store.budget()}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        from core.monitoring.documents import DriftBudget, ModelMonitoring

        return (Listed("monitoring", ModelMonitoring, key="model"), Single("drift_budget", DriftBudget))


class StressPart(_OfDatabase):
    """The records of stress tests; their reports stay files, which a screen reads when it shows one."""

    name = database = "stress"

    @override
    def read(self) -> Mapping[str, Any]:
        if not self._workspace.state_file(self.database).exists():
            return {"stress_tests": ()}  # most workspaces have none, and are spared the import
        from core.stress.stored_tests import StressTests

        return {"stress_tests": tuple(StressTests(self._workspace).all())}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        from core.stress.stored_tests import StressTest

        return (Listed("stress_tests", StressTest, key="test_id"),)


class PacksPart(_OfDatabase):
    """The records of evidence packs; the packs themselves stay files."""

    name = database = "evidence"

    @override
    def read(self) -> Mapping[str, Any]:
        if not self._workspace.state_file(self.database).exists():
            return {"packs": ()}  # most workspaces have none, and are spared the import
        from core.evidence import EvidencePacks

        return {"packs": tuple(EvidencePacks(self._workspace).all())}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        from core.evidence import KeptPack

        return (Listed("packs", KeptPack, key="pack_id"),)


class ViewsPart(_OfDatabase):
    """The saved views, by name."""

    name = database = "views"

    @override
    def read(self) -> Mapping[str, Any]:
        if not self._workspace.state_file(self.database).exists():
            return {"views": ()}  # most workspaces have none, and are spared the import
        from core.saved_views.store import SavedViews

        return {"views": tuple(SavedViews(self._workspace).all())}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        from core.saved_views.saved_view import SavedView

        return (Listed("views", SavedView, key="name"),)


class RetrainingsPart(_OfDatabase):
    """Retrainings with their steps."""

    name = "retrainings"
    database = "retraining"

    @override
    def read(self) -> Mapping[str, Any]:
        if not self._workspace.state_file(self.database).exists():
            return {"retrainings": ()}  # most workspaces have none, and are spared the import
        from core.retraining.retrainings import Retrainings

        return {"retrainings": tuple(reversed(Retrainings(self._workspace).all()))}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        from core.retraining.document import Retraining

        return (Listed("retrainings", Retraining, key="retraining_id"),)


class RunsPart(_OfDatabase):
    """Tracked runs, read only while they are shown: logging changes them every second."""

    name = database = "runs"

    @property
    @override
    def is_wanted(self) -> bool:
        return self._look.looks_at_runs

    @override
    def mark(self) -> Hashable:
        """A run changes with its document and, until it ends, with its metrics or its silence."""
        goes_on = any(run.ended_at is None for run in self._look.seen.runs or ())
        heard = (file_mark(self._workspace.telemetry_file), self._look.clock().timestamp() // _SILENCE_SECONDS)
        return super().mark(), heard if goes_on else None

    @override
    def read(self) -> Mapping[str, Any]:
        from core.tracking.runs import Runs

        return {"runs": tuple(Runs(self._workspace, clock=self._look.clock).latest_in_brief())}

    @classmethod
    @override
    def stored(cls) -> tuple[Stored, ...]:
        from core.tracking import Run

        return (Listed("runs", Run, key="run_id"),)
