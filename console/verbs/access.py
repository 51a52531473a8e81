"""What each verb of the console does, as the audit log calls it: its keys are dim for whoever may do none of it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from console.verbs.verb import Command, Verb

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from widgets.line import Line

NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "promote": ("version.promote",),
        "rollback": ("version.rollback",),
        "undo": ("version.undo",),
        "undo_promotion": ("version.undo",),
        "archive": ("version.archive",),
        "archive_marked": ("version.archive",),
        "release": ("version.release",),
        "member": ("version.register",),
        "evidence": ("evidence.build",),
        "canary": ("rollout.start",),
        "advance": ("rollout.advance", "rollout.promote_now"),
        "abort": ("rollout.abort",),
        "roll_back_version": ("version.rollback", "rollout.abort"),
        "roll_back_rollout": ("rollout.abort", "version.rollback"),
        "hold_or_resume": ("rollout.hold", "rollout.resume"),
        "hold": ("rollout.hold", "retraining.hold"),
        "resume": ("session.resume", "rollout.resume", "retraining.resume"),
        "retrain": ("retraining.start",),
        "approve": ("retraining.approve",),
        "approve_proposal": ("retraining.approve",),
        "hold_or_resume_retraining": ("retraining.hold", "retraining.resume"),
        "cancel": ("retraining.cancel",),
        "start": ("session.start",),
        "pause": ("session.pause",),
        "stop": ("session.stop",),
        "pause_or_resume": ("session.pause", "session.resume"),
        "start_or_stop": ("session.start", "session.stop"),
        "stop_tuning": ("session.stop_tuning",),
        "acknowledge": ("alert.acknowledge",),
        "snooze": ("alert.snooze",),
        "resolve": ("alert.resolve",),
        "comment": ("alert.comment",),
        "silence": ("silence.add",),
        "expire": ("silence.expire",),
        "engine": ("engine.acquire",),
        "prune": ("workspace.prune",),
        "backup": ("backup.create",),
        "run_stress": ("stress.run",),
    }
)


def forbidden(app: "ConsoleControls", verb: Verb[Any], thing: object) -> str | None:
    """Say why the operator's roles do not allow a verb; None if they may, or if something else refuses it first.

    Args:
        app: The console.
        verb: The verb.
        thing: The object that it is about, if there is one.
    """
    if not verb.changes or app.refusal is not None:
        return None
    model = getattr(thing, "model", None)
    return app.rights.refusal(NEEDS[verb.name], model if isinstance(model, str) and model else None)


class WhoAmI(Verb[None]):
    """Show the operator's own roles, and the verbs that they allow."""

    name = "whoami"
    command = Command("your own roles, and what they allow")

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Open the list, which is read in a thread."""
        from console.dialogs.text import TextDialog

        def look() -> "list[Line]":
            from console.presentation.access import own_lines
            from core.access import Door, principal_of
            from core.access.listing import own_access
            from core.clock import utc_now

            return own_lines(own_access(Door(app.workspace).rules(), principal_of(app.actor), utc_now()))

        app.push_screen(TextDialog("Who am I", look))
