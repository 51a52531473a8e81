"""The verb that evaluates an expression over the recorded series."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from console.verbs.verb import Argument, Command, Verb

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.state import Workspace
    from widgets.line import Line


class Evaluate(Verb[None]):
    """Show the series of an expression with their values."""

    name = "eval"
    command = Command(
        "the values of an expression in PromQL over the recorded series: max by (model) (bondx_drift_psi)",
        options=(Argument("EXPR", takes_rest=True),),
        n_required=1,
    )

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Open the values, which are read in a thread."""
        from console.dialogs.text import TextDialog

        text, at = str(options[0]), app.now()
        app.push_screen(TextDialog(f"eval: {text}", lambda: _values(app.workspace, text, at)))


def _values(workspace: "Workspace", text: str, at: datetime) -> "list[Line]":
    """Return the values, or what is wrong with the expression and where."""
    from console.presentation.expression import fault_lines, value_lines
    from core.alerts.evaluation.listing import UnknownMetricError, evaluate_by_hand
    from core.alerts.evaluation.source import RecordedSource
    from core.metrics.known_names import known_metric_names
    from core.promql import PromqlError

    source = RecordedSource(workspace)
    try:
        return value_lines(evaluate_by_hand(source, text, at, known=lambda: known_metric_names(source)), at)
    except PromqlError as error:
        return fault_lines(text, error.message, error.offset)
    except UnknownMetricError as error:
        return fault_lines(text, str(error), None)
    finally:
        source.close()
