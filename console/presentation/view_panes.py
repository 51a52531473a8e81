"""The panes of a saved view: the tables of the screens, narrowed to its models, with its columns, filter and order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from console.presentation import (
    alerts,
    audit,
    calm,
    drift_tables,
    health,
    retrainings,
    rollouts,
    sessions,
    stress,
    versions,
)
from console.presentation.screen_tables import ScreenTable
from core.saved_views import PANES, SavedView, ViewPane, parse_sort
from core.view.narrowing import NarrowedSnapshot, narrowed
from core.view.snapshot import Snapshot
from widgets.columns import Column
from widgets.filtering import filter_rows
from widgets.glyphs import Glyphs
from widgets.line import Line, shorten
from widgets.ordering import Order, sort_rows
from widgets.rows import Cell, Row

PaneRows = Sequence[Row]
DrawPane = Callable[[Snapshot, datetime, Glyphs], tuple[PaneRows, str]]

COURSE = "course"
"""The one pane that is a chart."""
_MOST_MISSING = 90
_TREND = "trend"  # of a session at work, which no view is about


def _alerts(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> tuple[PaneRows, str]:
    return alerts.alert_rows(snapshot, now, glyphs, shows_live=True), calm.no_alerts(snapshot)


def _models(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> tuple[PaneRows, str]:
    return versions.live_rows(snapshot, {}, now, glyphs, lambda _points: ""), "No such model is registered yet."


def _health(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> tuple[PaneRows, str]:
    return health.health_rows(snapshot.monitoring, now, glyphs), "No live version has been looked at yet."


def _drift(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> tuple[PaneRows, str]:
    return drift_tables.column_rows(snapshot.monitoring, now, glyphs), "Nothing is compared yet."


def _performance(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> tuple[PaneRows, str]:
    return drift_tables.metric_rows(snapshot.monitoring, glyphs), "Nothing is measured or estimated yet."


def _versions(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> tuple[PaneRows, str]:
    quarantined = {found.key for found in snapshot.quarantined}
    rows = versions.version_rows(snapshot.versions, now, glyphs, quarantined=quarantined)
    return rows, "No such version is registered yet."


def _rollouts(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> tuple[PaneRows, str]:
    ordered = rollouts.active_first(snapshot.rollouts)
    return rollouts.rollout_rows(ordered, now, glyphs, absence=snapshot.absence), "No rollout yet."


def _retrainings(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> tuple[PaneRows, str]:
    ordered = retrainings.active_first(snapshot.retrainings)
    return retrainings.retraining_rows(ordered, now, glyphs, absence=snapshot.absence), retrainings.NONE_YET


def _sessions(snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> tuple[PaneRows, str]:
    ordered = sessions.active_first(snapshot.sessions)
    return sessions.session_rows(ordered, now, glyphs, absence=snapshot.absence), "No session yet."


def _stress(snapshot: Snapshot, now: datetime, _glyphs: Glyphs) -> tuple[PaneRows, str]:
    return stress.stress_rows(snapshot.stress_tests, now), "No stress test yet."


def _cases(snapshot: Snapshot, now: datetime, _glyphs: Glyphs) -> tuple[PaneRows, str]:
    return stress.case_rows(snapshot.stress_tests[:1]), "Nothing is stressed yet."


def _changes(snapshot: Snapshot, now: datetime, _glyphs: Glyphs) -> tuple[PaneRows, str]:
    return audit.audit_rows(snapshot.audit, now), "No recent change."


@dataclass(frozen=True, slots=True)
class DrawnPane:
    """How a kind of pane is drawn.

    Attributes:
        columns: Its columns.
        draw: Returns its rows, and the sentence where it has none.
        part: The part of the snapshot that it needs.
        screen: The screen that has its rows in full.
    """

    columns: tuple[Column, ...]
    draw: DrawPane
    part: str
    screen: str


DRAWN: Mapping[str, DrawnPane] = {
    "alerts": DrawnPane(alerts.COLUMNS, _alerts, "alerts", "alerts"),
    "models": DrawnPane(versions.LIVE_COLUMNS, _models, "registry", "registry"),
    "health": DrawnPane(health.COLUMNS, _health, "monitoring", "drift"),
    "drift": DrawnPane(drift_tables.COLUMNS, _drift, "monitoring", "drift"),
    "performance": DrawnPane(drift_tables.METRIC_COLUMNS, _performance, "monitoring", "drift"),
    "versions": DrawnPane(versions.COLUMNS, _versions, "registry", "registry"),
    "rollouts": DrawnPane(rollouts.COLUMNS, _rollouts, "rollouts", "rollouts"),
    "retrainings": DrawnPane(retrainings.COLUMNS, _retrainings, "retrainings", "retrainings"),
    "sessions": DrawnPane(sessions.COLUMNS, _sessions, "sessions", "training"),
    "stress": DrawnPane(stress.COLUMNS, _stress, "stress", "stress"),
    "cases": DrawnPane(stress.CASE_COLUMNS, _cases, "stress", "stress"),
    "changes": DrawnPane(audit.COLUMNS, _changes, "audit", "audit"),
}
"""Every pane that is a table; `course` is a chart."""


def columns_of(kind: str) -> tuple[Column, ...]:
    """Return the columns of a kind of pane as it is drawn."""
    return tuple(column for column in DRAWN[kind].columns if column.key != _TREND)


def drawn_rows(kind: str, snapshot: Snapshot, now: datetime, glyphs: Glyphs) -> tuple[list[Row], str]:
    """Return the rows of a kind of pane for `columns_of`, and the sentence where it has none."""
    drawn = DRAWN[kind]
    rows, empty = drawn.draw(snapshot, now, glyphs)
    kept = [index for index, column in enumerate(drawn.columns) if column.key != _TREND]
    if len(kept) == len(drawn.columns):
        return list(rows), empty
    return [_with_cells(row, tuple(row.cells[index] for index in kept)) for row in rows], empty


def order_of(pane: ViewPane, columns: Sequence[Column]) -> Order | None:
    """Return the order of a pane; None for its usual one, or where its column is not known any more."""
    if not pane.sort:
        return None
    column, descending = parse_sort(pane.sort)
    return Order(column, descending) if any(each.key == column for each in columns) else None


def shown_columns(pane: ViewPane) -> tuple[str, ...]:
    """Return the columns that a pane names and that exist."""
    known = {column.key for column in columns_of(pane.pane)}
    return tuple(name for name in pane.columns if name in known)


def title_of(pane: ViewPane) -> str:
    """Return the title of a pane."""
    return pane.title or (PANES[pane.pane].title if pane.pane in PANES else pane.pane)


def missing_of(view: SavedView) -> tuple[str, ...]:
    """Name the panes and columns that this release does not have, a clause each; what exists is shown all the same."""
    missing = []
    for pane in view.panes:
        if pane.pane not in PANES:
            missing.append(f"no pane {pane.pane}")
            continue
        known = PANES[pane.pane].columns
        named = (*pane.columns, *([parse_sort(pane.sort)[0]] if pane.sort else []))
        gone = dict.fromkeys(name for name in named if name not in known)
        missing += [f"no column {name} of {pane.pane}" for name in gone]
    return tuple(missing)


def missing_in_brief(missing: Sequence[str], view: str) -> str:
    """Say in two lines of a screen what is missing, and which command names the rest.

    >>> missing_in_brief(["no model fx", "no pane ticker"], "desk")
    'no model fx; no pane ticker'
    >>> missing_in_brief([f"no model fx_{n}" for n in range(50)], "desk")
    'no model fx_0; 49 more: bondx view show desk'
    """
    if len("; ".join(missing)) <= _MOST_MISSING:
        return "; ".join(missing)
    return f"{shorten(missing[0], _MOST_MISSING // 2)}; {len(missing) - 1} more: bondx view show {view}"


def known_panes(view: SavedView) -> tuple[ViewPane, ...]:
    """Return the panes of a view that this release has."""
    return tuple(pane for pane in view.panes if pane.pane in PANES)


def view_tables(
    view: SavedView, snapshot: Snapshot, now: datetime, glyphs: Glyphs
) -> tuple[list[ScreenTable], tuple[str, ...]]:
    """Return the tables of a view as the console shows them, for who reads them without a screen.

    Returns:
        The tables, and what the view names and the workspace does not have. The chart has its points in no table.
    """
    found = narrowed(snapshot, view)
    tables = [_table(pane, found, now, glyphs) for pane in known_panes(view) if pane.pane != COURSE]
    return tables, (*found.missing, *missing_of(view))


def _table(pane: ViewPane, found: NarrowedSnapshot, now: datetime, glyphs: Glyphs) -> ScreenTable:
    columns = columns_of(pane.pane)
    rows, empty = drawn_rows(pane.pane, found.snapshot, now, glyphs)
    kept: Sequence[Row] = filter_rows(rows, columns, pane.filter) if pane.filter else rows
    if rows and not kept:
        empty = f"No row of {len(rows)} contains {pane.filter}."
    if (order := order_of(pane, columns)) is not None:
        place = next(index for index, column in enumerate(columns) if column.key == order.key)
        kept = sort_rows(kept, place, descending=order.descending)
    wanted = shown_columns(pane)
    if not wanted:
        return ScreenTable(title_of(pane), columns, kept, empty)
    places = [next(index for index, column in enumerate(columns) if column.key == name) for name in wanted]
    chosen = [_with_cells(row, tuple(row.cells[index] for index in places)) for row in kept]
    return ScreenTable(title_of(pane), [columns[index] for index in places], chosen, empty)


def _with_cells(row: Row, cells: tuple[Cell | Line | str, ...]) -> Row:
    return Row(row.key, cells, row.tone, found_by=row.found_by)


def model_of(kind: str, key: str, snapshot: Snapshot) -> str | None:
    """Return the model that a row of a pane is about; None for a row about no single model."""
    if kind == "models":
        return key
    if kind in ("health", "drift", "performance"):
        return key.partition("@")[0] or None
    if kind == "versions":
        return key.partition("/")[0] or None
    if kind == "rollouts":
        rollout = snapshot.rollout(key)
        return rollout.model if rollout is not None else None
    if kind == "retrainings":
        retraining = snapshot.retraining(key)
        return retraining.model if retraining is not None else None
    if kind == "alerts":
        found = next((alert for alert in snapshot.alerts if alert.fingerprint == key), None)
        return found.labels.get("model") if found is not None else None
    return None
