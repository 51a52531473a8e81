"""Text from the console to the operator's clipboard, and from the logs to the screen."""

import asyncio
import os
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from console.context import ConsoleControls
from console.dialogs.text import TextDialog
from console.presentation.keys import with_keys
from console.runtime.background import in_background
from console.runtime.clipboard import copy_in_tmux, osc52
from core.errors import CoreError
from widgets.line import Line

if TYPE_CHECKING:
    from core.registry import ModelVersion

LATELY = timedelta(days=7)
"""How far back the evidence of a version shows what it relied on while it served."""


def copy_text(app: ConsoleControls, text: str) -> None:
    """Copy a text to the operator's clipboard, or show it where no clipboard accepts it; claim only what is known."""
    if not text:
        app.say("There is nothing to copy here.", "muted")
    elif os.environ.get("TMUX"):
        in_background(app, partial(_copy_in_tmux, app, text))
    elif (sequence := osc52(text, os.environ)) is not None:
        app.send(sequence)
        app.say(f"Sent to the terminal (unconfirmed): {text.splitlines()[0]}", "good")
    else:
        _show_to_select(app, text)


async def _copy_in_tmux(app: ConsoleControls, text: str) -> None:
    if (done := await asyncio.to_thread(copy_in_tmux, text)) is not None:
        app.say(f"{done}: {text.splitlines()[0]}", "good")
    else:
        _show_to_select(app, text)


def _show_to_select(app: ConsoleControls, text: str) -> None:
    app.push_screen(TextDialog("No clipboard takes this: select it here", _as_lines(text)))


def show_why(app: ConsoleControls, version: "ModelVersion") -> None:
    """Show the evidence behind a version. The gates hash its files, which may take a second."""
    snapshot, is_past = app.snapshot, app.playback.at is not None

    def find() -> list[Line]:
        from console.presentation.versions import evidence_lines
        from core.explain.deny_list import DenyList
        from core.registry.later_denied import with_gates_as_shown

        not_now = [Line(((with_keys("Gates are not judged in the past; {console.freeze} returns to now."), "muted"),))]
        promotion = not_now if is_past else _promotion_lines(app, version)
        shown = with_gates_as_shown(version, DenyList.in_force_or_all(app.workspace.root))
        evidence = evidence_lines(shown, snapshot, app.glyphs, promotion=promotion)
        return [*evidence, *relied_on(app, version), *_relied_on_lately(app, version)]

    app.push_screen(TextDialog(f"Why trust {version.model} {version.version}", find))


def _promotion_lines(app: ConsoleControls, version: "ModelVersion") -> list[Line]:
    from console.presentation.gates import promotion_lines
    from core.registry import Registry

    try:
        plan = Registry(app.workspace).plan_promotion(version.model, version.version, actor=app.actor)
    except CoreError as error:  # a policy that cannot be read, a version that was pruned meanwhile
        return [Line(((str(error), "bad"),))]
    return promotion_lines(plan, app.glyphs)


def relied_on(app: ConsoleControls, version: "ModelVersion") -> list[Line]:
    """Return the importances that were kept at the registration; nothing if there are none that can be read."""
    import msgspec

    from console.presentation.explanation import importance_lines
    from core.explain.deny_list import DenyList
    from core.explain.later_denied import without_denied
    from core.explain.stored import read_explanation

    try:
        report = read_explanation(app.workspace.artifacts_dir / version.path)
        if report is not None:
            report = without_denied(report, DenyList.in_force(app.workspace.root))
    except (OSError, msgspec.DecodeError, CoreError):  # settings that cannot be read may deny what is stored
        report = None
    return [] if report is None else [Line(), Line((("Relies on", "title"),)), *importance_lines(report, app.glyphs)]


def _relied_on_lately(app: ConsoleControls, version: "ModelVersion") -> list[Line]:
    from console.presentation.explanation import trend_lines
    from core.training.own_data.served_trend import explain_over

    try:
        found = explain_over(app.workspace, version.model, LATELY, version=version.version, clock=app.now)
    except CoreError:  # nothing was served, or the store cannot be read: doctor says so
        return []
    return [Line(), *trend_lines(found, app.glyphs)]


def _as_lines(text: str) -> list[Line]:
    return [Line(((line, ""),)) for line in text.splitlines()]
