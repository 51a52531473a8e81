"""Text from the console to the operator's clipboard, and from the logs to the screen."""

import os
from typing import TYPE_CHECKING

from console.context import ConsoleControls
from console.dialogs.text import TextDialog
from console.runtime.clipboard import is_certain, osc52
from console.runtime.logfile import newest_lines
from core.errors import CoreError
from widgets.line import Line

if TYPE_CHECKING:
    from core.registry import ModelVersion


def copy_text(app: ConsoleControls, text: str) -> None:
    """Copy a text to the operator's clipboard, also through SSH and tmux, or show it where no clipboard accepts it."""
    if not text:
        app.say("There is nothing to copy here.", "muted")
        return
    sequence = osc52(text, os.environ)
    if sequence is None:
        app.push_screen(TextDialog("Too long for the clipboard: select it here", _as_lines(text)))
        return
    app.send(sequence)
    how = "Copied" if is_certain(os.environ) else "Sent to the clipboard through tmux"
    app.say(f"{how}: {text.splitlines()[0]}", "good")


def show_logs(app: ConsoleControls) -> None:
    """Show the newest log lines."""
    folder = app.workspace.logs_dir
    app.push_screen(TextDialog("Newest log lines", lambda: _as_lines("\n".join(newest_lines(folder))), at_end=True))


def show_why(app: ConsoleControls, version: "ModelVersion") -> None:
    """Show the evidence behind a version. The gates hash its files, which may take a second."""
    snapshot, is_past = app.snapshot, app.playback.at is not None

    def find() -> list[Line]:
        from console.presentation.versions import evidence_lines

        not_now = [Line((("Gates are not judged in the past; p returns to now.", "muted"),))]
        promotion = not_now if is_past else _promotion_lines(app, version)
        return evidence_lines(version, snapshot, app.glyphs, promotion=promotion)

    app.push_screen(TextDialog(f"Why trust {version.model} {version.version}", find))


def _promotion_lines(app: ConsoleControls, version: "ModelVersion") -> list[Line]:
    from console.presentation.gates import promotion_lines
    from core.registry import Registry

    try:
        plan = Registry(app.workspace).plan_promotion(version.model, version.version, actor=app.actor)
    except CoreError as error:  # a policy that cannot be read, a version that was pruned meanwhile
        return [Line(((str(error), "bad"),))]
    return promotion_lines(plan, app.glyphs)


def _as_lines(text: str) -> list[Line]:
    return [Line(((line, ""),)) for line in text.splitlines()]
