"""The trials of a session's search of parameters on the whole screen: the table, and the loss over one parameter."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from console.context import ConsoleContext
from console.dialogs.dialog import FullScreenDialog
from console.presentation import trials as drawn
from console.runtime.background import in_background
from core.models.tuning.trial import Trial
from core.training.session import Session
from core.training.tuning.records import SessionTrial, TuningStanding
from core.training.tuning.trial_rows import with_trials
from widgets.line import Line, key_line
from widgets.lines_pane import Caption, LinesPane
from widgets.live_table import LiveTable

LOOK_SECONDS = 2.0
_KEYS = (("j k", "trial"), ("h l", "parameter"), ("m", "model"), ("y", "copies"))

ReadTrials = Callable[[], tuple[Session, Sequence[SessionTrial]]]
"""Reads a session and its trials, the best of each model first."""


class TrialsDialog(FullScreenDialog):
    """One model's trials; `m` shows the next model."""

    AUTO_FOCUS = "#trials"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "cancel", "Close", show=False),
        Binding("h,left", "parameter(-1)", "Previous parameter", show=False),
        Binding("l,right", "parameter(1)", "Next parameter", show=False),
        Binding("m", "model", "Next model", show=False),
        Binding("y", "copy", "Copy", show=False),
    ]

    def __init__(self, session_id: str, look: ReadTrials) -> None:
        """Take the session, and the function that reads its trials; it runs in a thread, again and again."""
        super().__init__()
        self._session_id = session_id
        self._look = look
        self._trials: tuple[SessionTrial, ...] = ()
        self._standings: tuple[TuningStanding, ...] = ()
        self._model = 0
        self._parameter = 0

    def compose_body(self) -> ComposeResult:
        """Yield the state, the table, the drawing and the keys."""
        yield Caption(id="trial-state")
        yield LiveTable(drawn.FIXED, empty="Reading…", id="trials")
        yield LinesPane(id="slice")
        yield Caption(id="dialog-hint")

    def on_mount(self) -> None:
        """Read the trials."""
        self.entitle(f"Trials of {self._session_id}")
        self.become_readable()
        self.hint(key_line(("Esc", "closes"), *_KEYS))
        self._read()
        self.set_interval(LOOK_SECONDS, self._read)

    def on_resize(self) -> None:
        """Draw to the new size."""
        self._show_slice()

    def _read(self) -> None:
        in_background(self, partial(self.look_up, self._look, self._found, self._refuse), exclusive=True)

    def _found(self, found: tuple[Session, Sequence[SessionTrial]]) -> None:
        session, trials = found
        self._trials, self._standings = tuple(trials), session.observed.tuning.standings
        self._show()

    def _refuse(self, reason: str) -> None:
        self.query_one("#trials", LiveTable).empty = reason
        self._tell(reason, "warn")

    def _own(self) -> tuple[str, list[Trial], TuningStanding | None]:
        """Return the model that is shown, its trials, and where its search stands."""
        models = drawn.models_of(self._trials)
        name = models[self._model % len(models)] if models else ""
        standing = next((each for each in self._standings if each.model == name), None)
        own = [each.trial for each in self._trials if each.model == name]
        return name, own, None if standing is None else with_trials(standing, own)

    def _show(self) -> None:
        name, own, standing = self._own()
        table, parameters = self.query_one("#trials", LiveTable), drawn.varied(own)
        table.empty = drawn.NO_TRIAL
        if table.columns != (columns := drawn.trial_columns(parameters)):
            table.set_columns(columns)
        best = None if standing is None else standing.best_trial
        table.set_rows(drawn.trial_rows(own, parameters, best, self.context.glyphs))
        n_models = len(drawn.models_of(self._trials))
        turn = f" ({self._model % n_models + 1} of {n_models})" if n_models > 1 else ""
        self.entitle(f"Trials of {self._session_id}: {name}{turn}" if name else f"Trials of {self._session_id}")
        self._tell("" if standing is None else drawn.standing_line(standing), "")
        self._show_slice()

    def _show_slice(self) -> None:
        if not self.is_mounted:
            return
        pane, (_, own, standing) = self.query_one("#slice", LinesPane), self._own()
        parameters = drawn.varied(own)
        if not parameters:
            pane.show([Line((("No parameter differs between trials yet.", "muted"),))])
            return
        name = parameters[self._parameter % len(parameters)]
        best = None if standing is None else standing.best_trial
        size = pane.content_size
        pane.show(
            drawn.slice_lines(own, name, best, width=size.width, height=size.height, glyphs=self.context.glyphs),
            from_top=True,
        )

    def _tell(self, text: str, tone: str) -> None:
        self.query_one("#trial-state", Caption).show([Line(((text, tone),))])

    def action_parameter(self, n: int) -> None:
        """Draw the loss over another parameter."""
        self._parameter += n
        self._show_slice()

    def action_model(self) -> None:
        """Show the next model."""
        self._model += 1
        self._parameter = 0
        self._show()

    def action_copy(self) -> None:
        """Copy the trials of the model, a line for each, separated by tabs."""
        _, own, _ = self._own()
        names = drawn.varied(own)
        head = "\t".join(("trial", "state", "loss", *names))
        lines = [
            "\t".join(
                (
                    str(each.number),
                    each.state,
                    str(each.curve[-1] if each.curve else ""),
                    *(str(each.parameters.get(name, "")) for name in names),
                )
            )
            for each in own
        ]
        self.context.copy("\n".join((head, *lines)))


def show_trials(context: ConsoleContext, session: Session) -> None:
    """Show the trials of a session, or say that it searches no parameters."""
    if not session.training.advanced.enable_hyperparameter_tuning:
        context.say(
            f"{session.session_id} searches no parameters: advanced.enable_hyperparameter_tuning is off.", "muted"
        )
        return

    def look() -> tuple[Session, Sequence[SessionTrial]]:
        from core.training.session_files import SessionFiles
        from core.training.sessions import Sessions
        from core.training.tuning.trial_rows import sorted_trials

        now = Sessions(context.workspace).get(session.session_id)
        return now, sorted_trials(SessionFiles(context.workspace).trials(now))

    context.push_screen(TrialsDialog(session.session_id, look))
