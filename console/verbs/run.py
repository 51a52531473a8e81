"""Verbs about tracked runs: show them, search them, compare two."""

from typing import TYPE_CHECKING, Any

from console.verbs.verb import Argument, Command, Key, Noun, ScreenAction, Verb

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.tracking import Run

EXPRESSION_WORD = Argument("EXPRESSION", takes_rest=True)
RUN: "Noun[Run | None]" = Noun(
    group="runs",
    arguments=(Argument("RUN"),),
    missing="No run is selected.",
    find=lambda snapshot, words: snapshot.run(words[0]),
)


class SearchRuns(Verb[None]):
    """Show the tracked runs that match an expression."""

    name = "runs"
    command = Command("tracked runs, or only matching runs: metrics.mae < 0.2", options=(EXPRESSION_WORD,))

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> Any:
        """Go to the runs; a wrong expression is reported before the screen changes."""
        from console.navigation import open_runs
        from core.tracking.search import parse

        (expression,) = options or ("",)
        if expression:
            parse(expression)
        return open_runs(app, expression)


SHOW_RUNS = ScreenAction(
    "runs", Key("r", "runs", "Show the tracked runs; Esc returns to the sessions"), on=("training", "runs")
)
COMPARE_RUNS = ScreenAction(
    "compare", Key("c", "compare", "Compare the two marked runs, or the row with the run below it"), noun=RUN
)
MARK_RUN = ScreenAction("mark", Key("space", "mark", "Mark a run for comparison", sign="Space"), noun=RUN)
