"""The tables of each screen, for who reads them without a screen: scripts, pipes and screen readers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from console.presentation import (
    alerts,
    audit,
    calm,
    drift_tables,
    epochs,
    health,
    resources,
    retrainings,
    rollouts,
    runs,
    saved_views,
    sessions,
    stress,
    versions,
)
from console.presentation.unattended import unattended
from core.settings import AlertSettings
from core.view.snapshot import Snapshot
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.rows import Row


@dataclass(frozen=True, slots=True)
class ScreenTable:
    """One table of a screen: its title, its columns, its rows, and the sentence where it has no row."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    empty: str


def screen_tables(
    name: str, snapshot: Snapshot, now: datetime, glyphs: Glyphs, *, limits: Callable[[], AlertSettings]
) -> list[ScreenTable]:
    """Return the tables of a screen, as the console fills them.

    Args:
        name: The screen.
        snapshot: What to show.
        now: The present.
        glyphs: The signs to use.
        limits: Reads the limits of the machine's gauges, for the screens that show them.
    """
    if name == "resources":
        return _resources(snapshot, limits())
    tables = _TABLES[name](snapshot, now, glyphs)
    return [*tables, *_resources(snapshot, limits())] if name == "overview" else tables


def _overview(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> list[ScreenTable]:
    wrong = alerts.wrong_rows(snapshot, now, glyphs, idle=unattended(snapshot, starts_here=False))
    live = versions.live_rows(snapshot, {}, now, glyphs, lambda _points: "")
    return [
        ScreenTable("What is wrong", alerts.WRONG_COLUMNS, wrong, calm.nothing_wrong(snapshot)),
        ScreenTable("Live", versions.LIVE_COLUMNS, live, "No model is live."),
        *_training(snapshot, now, glyphs),
    ]


def _training(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> list[ScreenTable]:
    rows = sessions.session_rows(sessions.active_first(snapshot.sessions), now, glyphs, absence=snapshot.absence)
    tables = [ScreenTable("Sessions", sessions.COLUMNS, rows, "No session yet.")]
    if (session := snapshot.active_session()) is not None:
        models, page = epochs.models_of(session), snapshot.epoch_pages.get(session.run_id or "")
        diverged, of_text = session.observed.diverged, session.text is not None
        columns = epochs.epoch_columns(models, of_text=of_text)
        rows = epochs.epoch_rows(page.rows if page else {}, models, diverged=diverged, of_text=of_text)
        newest = "" if page is None or page.is_whole else f", the newest {len(rows)} of {page.n_recorded:,}"
        tables.append(ScreenTable(f"Epochs of {session.session_id}{newest}", columns, rows, "No epoch yet."))
    return tables


def _runs(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> list[ScreenTable]:
    return [
        ScreenTable("Runs", runs.COLUMNS, runs.run_rows(snapshot.runs or (), now, glyphs), "No run is tracked yet.")
    ]


def _registry(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> list[ScreenTable]:
    quarantined = {found.key for found in snapshot.quarantined}
    rows = versions.version_rows(snapshot.versions, now, glyphs, quarantined=quarantined)
    return [ScreenTable("Versions", versions.COLUMNS, rows, "No version is registered yet.")]


def _rollouts(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> list[ScreenTable]:
    rows = rollouts.rollout_rows(rollouts.active_first(snapshot.rollouts), now, glyphs, absence=snapshot.absence)
    return [ScreenTable("Rollouts", rollouts.COLUMNS, rows, "No rollout yet.")]


def _retrainings(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> list[ScreenTable]:
    rows = retrainings.retraining_rows(
        retrainings.active_first(snapshot.retrainings), now, glyphs, absence=snapshot.absence
    )
    return [ScreenTable("Retrainings", retrainings.COLUMNS, rows, retrainings.NONE_YET)]


def _drift(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> list[ScreenTable]:
    found = snapshot.monitoring
    columns, metrics = drift_tables.column_rows(found, now, glyphs), drift_tables.metric_rows(found, glyphs)
    models = health.health_rows(found, now, glyphs)
    return [
        ScreenTable("Live models", health.COLUMNS, models, "No live version has been looked at yet."),
        ScreenTable("Inputs and answers", drift_tables.COLUMNS, columns, "Nothing is compared yet."),
        ScreenTable("Performance", drift_tables.METRIC_COLUMNS, metrics, "Nothing is measured or estimated yet."),
    ]


def _alerts(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> list[ScreenTable]:
    return [ScreenTable("Alerts", alerts.COLUMNS, alerts.alert_rows(snapshot, now, glyphs), calm.no_alerts(snapshot))]


def _resources(snapshot: Snapshot, limits: AlertSettings) -> list[ScreenTable]:
    machine, processes = resources.machine_rows(snapshot, limits), resources.process_rows(snapshot)
    return [
        ScreenTable("Machine", resources.MACHINE_COLUMNS, machine, "The machine was not sampled yet."),
        ScreenTable("Processes", resources.PROCESS_COLUMNS, processes, "No process is running."),
    ]


def _audit(snapshot: Snapshot, now: datetime, _glyphs: Glyphs) -> list[ScreenTable]:
    rows = audit.audit_rows(snapshot.audit, now)
    return [ScreenTable("Changes", audit.COLUMNS, rows, "Nothing has been changed yet.")]


def _stress(snapshot: Snapshot, now: datetime, _glyphs: Glyphs) -> list[ScreenTable]:
    tests = snapshot.stress_tests
    return [
        ScreenTable("Stress tests", stress.COLUMNS, stress.stress_rows(tests, now), stress.NONE_YET),
        ScreenTable("Cases", stress.CASE_COLUMNS, stress.case_rows(tests[:1]), "Nothing is stressed yet."),
    ]


def _view(snapshot: Snapshot, now: datetime, _glyphs: Glyphs) -> list[ScreenTable]:
    rows = saved_views.list_rows(snapshot.views, now)
    return [ScreenTable("Views", saved_views.LIST_COLUMNS, rows, saved_views.NONE_YET)]


_TABLES: Mapping[str, Callable[[Snapshot, datetime, Glyphs], list[ScreenTable]]] = {
    "overview": _overview,
    "view": _view,
    "training": _training,
    "runs": _runs,
    "registry": _registry,
    "rollouts": _rollouts,
    "retrainings": _retrainings,
    "drift": _drift,
    "alerts": _alerts,
    "stress": _stress,
    "audit": _audit,
}
