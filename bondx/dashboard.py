"""`BondXAIDashboard`: the console of a workspace, opened from Python, and a summary of its state."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.api.arguments import checked

if TYPE_CHECKING:
    from core.alerts import Alert
    from core.registry import ModelVersion
    from core.saved_views import SavedView
    from core.state import Workspace
    from core.training.epoch_slices import SliceScores
    from core.training.session import Session

SUMMARY = "summary_report.json"  # below reports/


class BondXAIDashboard:
    """Shows one workspace: as the console on a terminal, as lines without one, and as a report."""

    @checked
    def __init__(self, *, workspace: Path | str | None = None) -> None:
        """Open the workspace; nothing is shown yet.

        Args:
            workspace: Its folder, created if missing; by default `$BONDX_HOME`, else the user's state folder.
        """
        from core.api import MLOpsConfig

        self._workspace = MLOpsConfig.from_yaml(workspace=workspace).workspace

    @property
    def workspace(self) -> "Workspace":
        """The workspace that it shows."""
        return self._workspace

    def start_monitoring(self) -> int:
        """Open the console, and return when the person leaves it.

        Without a terminal, print a line for each epoch of the session at work until it ends. Ctrl-C ends the lines; the
        session continues.

        Returns:
            The exit code of `bondx`: 0 unless something failed.
        """
        from bondx.own_packages import prefer_own_packages

        prefer_own_packages()
        if import_module("console.commands.console").has_terminal():
            return int(import_module("console.cli.main").main(["--workspace", str(self._workspace.root)]))
        return int(import_module("console.commands.run").follow(self._workspace))

    @checked
    def epoch_scores(
        self, session_id: str | None = None, epoch: int | None = None, *, by: str | None = None
    ) -> "list[SliceScores]":
        """Return the scores of each model by slice, as they were after an epoch of a session.

        Args:
            session_id: By default the session at work, else the newest.
            epoch: By default the last completed epoch.
            by: Only the slices by this, such as "sector"; by default all.
        Raises:
            NotFoundError: There is no such session, or no report of the epoch.
            UsageError: The epoch has no slices by this; the message lists the slicings.
        """
        from core.errors import NotFoundError
        from core.explain.deny_list import DenyList
        from core.training.epoch_slices import scores_by
        from core.training.later_denied import epoch_as_shown
        from core.training.session_files import SessionFiles
        from core.training.sessions import Sessions

        sessions = Sessions(self._workspace)
        if session_id is None:
            if not (known := sessions.all()):
                raise NotFoundError("There is no session yet: run_autonomous_training_loop() trains one.")
            session = next((one for one in known if not one.has_ended), known[-1])
        else:
            session = sessions.get(session_id)
        record = SessionFiles(self._workspace).epoch(session, session.observed.epoch if epoch is None else epoch)
        return scores_by(epoch_as_shown(record, DenyList.in_force(self._workspace.root)).slices, by)

    def views(self) -> "list[SavedView]":
        """Return the saved views of the workspace, by name; `:view NAME` opens one in the console."""
        from core.saved_views import SavedViews

        return SavedViews(self._workspace).all()

    @checked
    def save_view(
        self,
        name: str,
        panes: Sequence[str | Mapping[str, Any]],
        *,
        models: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        title: str = "",
        summary: str = "",
        replace: bool = False,
        reason: str = "",
    ) -> "SavedView":
        """Save a view: a front page of these panes about these models.

        Args:
            name: Its name, such as "rates-desk".
            panes: Names of panes, or mappings with `pane`, `title`, `columns`, `filter`, `sort` and `rows`.
            models: Names of models and patterns such as `rates_*`; without any, all models.
            tags: Tags that the live version of a model must have.
            title: Its title.
            summary: Whom it is for.
            replace: Whether a view of this name is replaced.
            reason: The reason, for the audit log.
        Raises:
            UsageError: A pane, a column or another value is none; the message names its place and the nearest name.
            ConflictError: There is a view of this name, and it is not to be replaced.
        """
        from core.actor import Actor, Origin
        from core.saved_views import SavedViews, checked_view

        values = {
            "panes": [pane if isinstance(pane, str) else dict(pane) for pane in panes],
            "models": list(models),
            "tags": dict(tags or {}),
            "title": title,
            "summary": summary,
        }
        view = checked_view(name, values)
        actor = Actor.current(Origin.API)
        return SavedViews(self._workspace).save([view], actor=actor, reason=reason, replace=replace)[0]

    @checked
    def import_views(self, file: Path | str, *, replace: bool = False, reason: str = "") -> "list[SavedView]":
        """Save the views of a YAML file, all of them or none.

        Args:
            file: The file.
            replace: Whether views of the same names are replaced.
            reason: The reason, for the audit log.
        Raises:
            SettingsError: The file has a fault; the message names the first with line and column.
            ConflictError: There is a view of one of the names, and it is not to be replaced.
        """
        from core.actor import Actor, Origin
        from core.home_paths import at_home
        from core.saved_views import SavedViews, load_views

        views = load_views(at_home(file))
        actor = Actor.current(Origin.API)
        return SavedViews(self._workspace).save(views, actor=actor, reason=reason, replace=replace)

    @checked
    def views_as_yaml(self, *names: str) -> str:
        """Return views as the text of a file that `import_views` takes.

        Args:
            names: Which; by default all.
        Raises:
            NotFoundError: There is no view of a name.
            UsageError: No view is saved.
        """
        from core.saved_views import SavedViews, view_yaml

        store = SavedViews(self._workspace)
        return view_yaml([store.get(name) for name in names] if names else store.all())

    @checked
    def delete_view(self, name: str, *, reason: str = "") -> None:
        """Delete a view; the audit log keeps its panes.

        Args:
            name: Which.
            reason: The reason, for the audit log.
        Raises:
            NotFoundError: There is none of this name.
        """
        from core.actor import Actor, Origin
        from core.saved_views import SavedViews

        SavedViews(self._workspace).delete(name, actor=Actor.current(Origin.API), reason=reason)

    def generate_summary_report(self) -> dict[str, Any]:
        """Summarize the newest session, the versions and the open alerts.

        Returns:
            Plain JSON values: `taken_at`, `engine`, `session` (None before the first), `versions`, `rollouts`,
            `alerts`, `problems`, and `file`, where the same is written: `reports/summary_report.json`.
        """
        import json

        from core.files import write_file
        from core.view.source import SnapshotSource

        snapshot = SnapshotSource(self._workspace, history_seconds=60, looks_at_epochs=False).take()
        session, engine = snapshot.active_session(), snapshot.engine
        file = self._workspace.reports_dir / SUMMARY
        summary = {
            "taken_at": snapshot.taken_at.isoformat(),
            "engine": None if engine is None else f"{engine.user} on {engine.host}, process {engine.pid}",
            "session": None if session is None else _session(session),
            "versions": [_version(version) for version in snapshot.versions],
            "rollouts": [
                {"rollout_id": rollout.rollout_id, "model": rollout.model, "candidate": rollout.candidate}
                for rollout in snapshot.rollouts
                if rollout.is_active
            ],
            "alerts": [_alert(alert) for alert in snapshot.alerts if alert.state.is_open],
            "problems": list(snapshot.problems),
            "file": str(file),
        }
        write_file(file, f"{json.dumps(summary, indent=2, allow_nan=False)}\n".encode())
        return summary


def _session(session: "Session") -> dict[str, Any]:
    observed = session.observed
    return {
        "session_id": session.session_id,
        "name": session.name,
        "phase": str(observed.phase),
        "epoch": observed.epoch,
        "n_epochs": observed.n_epochs,
        "score": observed.score,
        "best_score": observed.best_score,
        "quality_score": observed.quality_score,
        "failing_gates": [gate.name for gate in observed.gates if gate.blocks],
        "stop_reason": observed.stop_reason,
        "failure": observed.failure,
        "registered": list(observed.registered),
    }


def _version(version: "ModelVersion") -> dict[str, Any]:
    return {
        "model": version.model,
        "version": version.version,
        "stage": str(version.stage),
        "attainment": version.metrics.get("attainment"),
        "created_at": version.created_at.isoformat(),
    }


def _alert(alert: "Alert") -> dict[str, Any]:
    return {
        "severity": str(alert.severity),
        "state": str(alert.state),
        "summary": alert.summary,
        "advice": alert.advice,
        "first_at": alert.first_at.isoformat(),
    }
