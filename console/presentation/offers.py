"""What a dialog asks: one change, from what to what, on which evidence, with which effects, and the way back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from console.presentation.gates import gate_lines
from core.alerts import Alert
from core.registry import Plan, Stage
from core.training.session import Desired, Phase, Session
from widgets.glyphs import Glyphs
from widgets.line import Line

Commit = Callable[[str], str]
"""Carries the change out with the operator's reason, and returns the sentence that says what was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One change an operator may confirm. It stands for what was looked at: carrying it out checks that again."""

    title: str
    lines: tuple[Line, ...]
    confirm: str = ""  # the word on the button
    typed: str | None = None  # must be typed before anything can be confirmed
    refusal: str | None = None  # why this cannot be done; then there is nothing to confirm
    asks_reason: bool = True
    commit: Commit | None = None


_VERBS = {"promote": "Promote", "rollback": "Roll back", "undo": "Undo", "archive": "Archive"}


def plan_offer(plan: Plan, glyphs: Glyphs, commit: Commit) -> Offer:
    """Turn a plan of the registry into an offer. Whatever enters Production is confirmed by typing its version."""
    verb = _VERBS.get(str(plan.verb), str(plan.verb).capitalize())
    lines: list[Line] = []
    if plan.changes:
        lines += [
            Line(
                (
                    (f"{plan.model} {change.version}  ", "strong"),
                    (str(change.before), "muted"),
                    (f" {glyphs.arrow} ", "accent"),
                    (str(change.after), "good" if change.after is Stage.PRODUCTION else "strong"),
                )
            )
            for change in plan.changes
        ]
    elif plan.version:
        lines.append(Line(((f"{plan.model} {plan.version}", "strong"), (f"  {plan.from_stage}", "muted"))))
    if plan.gates:
        lines += [Line(), Line((("Gates", "title"),)), *gate_lines(plan.gates, glyphs)]
    lines += [Line(((warning, "warn"),)) for warning in plan.warnings]
    lines += section("What will happen", plan.effects)
    lines += section("How to undo it", (plan.undo,) if plan.undo else ())
    enters = [change.version for change in plan.changes if change.after is Stage.PRODUCTION]
    must_type = str(plan.verb) == "promote" and enters
    return Offer(
        title=f"{verb} {plan.model} {plan.version}".rstrip(),
        lines=tuple(lines),
        confirm=verb,
        typed=enters[0] if must_type else None,
        refusal=None if plan.allowed else plan.refusal or "The registry does not allow this.",
        commit=commit,
    )


@dataclass(frozen=True, slots=True)
class _Wording:
    confirm: str
    effects: tuple[str, ...]
    undo: str


_SESSION_WORDS = {
    Desired.PAUSED: _Wording(
        "Hold",
        ("The epoch at work ends first, then the session rests at its checkpoint.",),
        "H again lets it go on from there.",
    ),
    Desired.RUNNING: _Wording(
        "Resume", ("The session goes on from its last checkpoint.",), "H again holds it after its epoch."
    ),
    Desired.STOPPED: _Wording(
        "Stop",
        ("The epoch at work ends first, then the session ends; its checkpoint stays.",),
        "H resumes it from the checkpoint.",
    ),
}


def session_offer(
    session: Session, desired: Desired, glyphs: Glyphs, commit: Commit, *, has_engine: bool, refusal: str | None = None
) -> Offer:
    """Offer to hold, resume or stop a session."""
    words = _SESSION_WORDS[desired]
    observed = session.observed
    lines = [
        Line(
            (
                (f"{session.session_id} {session.name}  ", "strong"),
                (str(observed.phase), "muted"),
                (f" {glyphs.arrow} ", "accent"),
                (str(desired), "strong"),
            )
        ),
        Line(((f"epoch {observed.epoch} of {observed.n_epochs}", "muted"),)),
        *section("What will happen", (*words.effects, *without_engine(has_engine))),
        *section("How to undo it", (words.undo,)),
    ]
    return Offer(
        title=f"{words.confirm} session {session.session_id}",
        lines=tuple(lines),
        confirm=words.confirm,
        refusal=refusal,
        commit=commit,
    )


def start_offer(facts: Sequence[tuple[str, str]], notes: Sequence[str], commit: Commit, *, has_engine: bool) -> Offer:
    """Offer to start a session with the workspace's settings.

    Args:
        facts: The settings that tell most, as (name, value).
        notes: What the settings switch on that this release cannot do.
        commit: Starts it.
        has_engine: Whether an engine would take it up at once.
    """
    lines = [Line(((f"{name:<24}", "muted"), (value, ""))) for name, value in facts]
    lines += [Line(((note, "warn"),)) for note in notes]
    effects = ("A new session trains the models; versions that beat the last ones arrive in the registry.",)
    lines += section("What will happen", (*effects, *without_engine(has_engine)))
    lines += section("How to undo it", ("S stops it after its epoch; what it has registered stays.",))
    return Offer(title="Start a training session", lines=tuple(lines), confirm="Start", commit=commit)


def acknowledge_offer(alert: Alert, commit: Commit) -> Offer:
    """Offer to take an alert on."""
    lines = (
        Line(((f"{alert.severity}  ", "bad"), (alert.rule, "strong"))),
        Line(((alert.summary, ""),)),
        *section(
            "What will happen",
            (
                "The alert stays on the list under your name until its condition ends.",
                "It calls nobody again meanwhile.",
            ),
        ),
        *section("How to undo it", ("It opens anew by itself if it fires again after it was resolved.",)),
    )
    return Offer(title="Acknowledge an alert", lines=lines, confirm="Acknowledge", asks_reason=False, commit=commit)


def leave_offer(session: Session | None, commit: Commit) -> Offer:
    """Offer to leave a console that carries the engine."""
    effects = ["The engine in this console stops; consoles attached to it lose it."]
    if session is not None and session.observed.phase not in (Phase.PAUSED, Phase.QUEUED):
        next_epoch = session.observed.epoch + 1
        effects.append(f"{session.session_id} ends epoch {next_epoch} first, and a checkpoint stays.")
    effects.append("The next engine goes on from there: start bondx again, or bondx run --headless.")
    return Offer(
        title="Leave, and stop the engine",
        lines=tuple(section("What will happen", effects)),
        confirm="Leave",
        asks_reason=False,
        commit=commit,
    )


def without_engine(has_engine: bool) -> tuple[str, ...]:
    """Say that a change waits for an engine, if it does."""
    return () if has_engine else ("No engine runs on this workspace: it takes effect when one starts.",)


def section(title: str, sentences: Sequence[str]) -> list[Line]:
    """Put sentences under a title, below a blank line; nothing where there are none."""
    if not sentences:
        return []
    return [Line(), Line(((title, "title"),)), *(Line(((sentence, ""),)) for sentence in sentences)]
