"""Why a search ends before its last trial: a person asks for it, or its time is used."""

from core.training.session import Session


def stop_reason(session: Session) -> str:
    """Return why the search of a session ends now; empty if it goes on."""
    if session.tuning_stopped:
        return session.tuning_stopped
    minutes = session.training.tuning.minutes
    if minutes and session.observed.tuning_seconds >= 60.0 * minutes:
        return f"the time limit of {minutes:g} minutes is used"
    return ""


def stop_refusal(session: Session) -> str | None:
    """Return why a search cannot be ended early, or None if it can."""
    tuning = session.observed.tuning
    if not session.training.advanced.enable_hyperparameter_tuning:
        return "it searches no parameters"
    if session.children:
        return f"its agents search by themselves: name one of {', '.join(session.children)}"
    if session.observed.phase.is_at_rest and not session.wants_work:
        return f"it has ended ({session.observed.stop_reason})"
    if tuning.is_done:
        return "its search of parameters has ended"
    if session.tuning_stopped:
        return f"that was requested already: {session.tuning_stopped}"
    return None
