"""The way from one object to another: from an alert to its suspect, from a model to its live version."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from console.context import ConsoleControls
from console.presentation.versions import live_or_newest
from core.alerts import Alert
from core.view.suspects import suspect_of

if TYPE_CHECKING:
    from core.retraining.document import Retraining
    from core.saved_views import SavedView

_OF_RETRAININGS = frozenset({"retraining_failed", "retraining_waiting"})
VIEW_SCREEN = "view"  # opened by `:view`
RUNS_SCREEN = "runs"  # has no key of its own: opened from Training, and by `:runs`


@runtime_checkable
class DrawsLineage(Protocol):
    """A screen that draws the lineage of a version."""

    def draw_lineage(self, key: str | None) -> None:
        """Draw the lineage of a version, or that of the row under the cursor."""


@runtime_checkable
class SearchesRuns(Protocol):
    """A screen that shows only the runs that match an expression."""

    def search(self, expression: str) -> None:
        """Show the matching runs; all runs for an empty expression."""


@runtime_checkable
class OpensViews(Protocol):
    """A screen that shows saved views."""

    @property
    def view(self) -> "SavedView | None":
        """The view that is open; None while the list is shown."""

    def open_view(self, name: str) -> None:
        """Open a view; "" shows the list of views."""


@runtime_checkable
class ListsChanges(Protocol):
    """A screen that lists the changes by people and by the engine."""

    def move_to_change(self, n: int) -> None:
        """Move the cursor to the next change by a person, or to the previous one if negative."""


async def open_model(app: ConsoleControls, model: str) -> None:
    """Show a model in the registry, with the cursor on its live version, else on its newest."""
    await app.action_go("registry")
    _move_to(app, live_or_newest(app.snapshot, model) or "")


async def open_lineage(app: ConsoleControls, model: str | None, version: str | None) -> None:
    """Draw a lineage: without a number that of the live, else newest version; without a model that of the row."""
    await app.action_go("registry")

    def draw() -> None:
        if isinstance(screen := app.shown_screen(), DrawsLineage):
            screen.draw_lineage(f"{model}/{version}" if version else live_or_newest(app.snapshot, model or ""))

    app.call_after_refresh(draw)


async def open_runs(app: ConsoleControls, expression: str) -> None:
    """Show the runs that match an expression; all runs without an expression."""
    await app.action_go(RUNS_SCREEN)
    if isinstance(screen := app.shown_screen(), SearchesRuns):
        screen.search(expression)


async def open_saved_view(app: ConsoleControls, name: str) -> None:
    """Show a saved view; "" shows the list of views."""
    await app.action_go(VIEW_SCREEN)
    if isinstance(screen := app.shown_screen(), OpensViews):
        screen.open_view(name)


async def open_alert(app: ConsoleControls, alert: Alert) -> None:
    """Go where an alert points: to its rollout, its suspect version, its session, or the machine."""
    suspect = suspect_of(alert, app.snapshot)
    if "rollout" in alert.labels:
        await app.action_go("rollouts")
        _move_to(app, alert.labels["rollout"])
    elif alert.name in _OF_RETRAININGS:
        await app.action_go("retrainings")
        _move_to(app, next((each.retraining_id for each in app.snapshot.retrainings if _is_about(alert, each)), ""))
    elif suspect is not None:
        await open_model(app, suspect.model)
        if suspect.version:
            _move_to(app, f"{suspect.model}/{suspect.version}")
    elif "session" in alert.labels:
        await app.action_go("training")
        _move_to(app, alert.labels["session"])
    elif alert.is_of_machine:
        await app.action_go("resources")
    else:
        await app.action_go("alerts")
        _move_to(app, alert.fingerprint)


def _is_about(alert: Alert, retraining: "Retraining") -> bool:
    return alert.labels.get("model") == retraining.model


def _move_to(app: ConsoleControls, key: str) -> None:
    # A new screen fills its list when it is mounted.
    def move() -> None:
        if (screen := app.shown_screen()) is not None:
            screen.show_row(key)

    app.call_after_refresh(move)
