"""When an alert that a person resolved fires again: conditions, events and alerts from elsewhere differ."""

from enum import StrEnum

from core.alerts.alert import Alert


class Returning(StrEnum):
    """What must happen before an alert that a person resolved fires again, in the words of people."""

    AFTER_ITS_END = "only after the condition has ended and returned"
    AFTER_ITS_SENDER = "only after the sender has reported the end"
    NEXT_TIME = "at the next occurrence"

    @property
    def outlasts(self) -> bool:
        """Whether what is wrong now keeps quiet until it has ended."""
        return self is not Returning.NEXT_TIME


def returning_of(alert: Alert) -> Returning:
    """Return when an alert fires again after a person has resolved it.

    Args:
        alert: An alert of a built-in rule, of a rule file, or from elsewhere.
    """
    from core.alerts.rules import is_condition  # a screen that only shows an alert needs no rules

    if alert.is_external:
        return Returning.AFTER_ITS_SENDER
    if alert.expr or alert.source or is_condition(alert.rule):
        return Returning.AFTER_ITS_END
    return Returning.NEXT_TIME
