"""Which silences are made: for a reason and a time, and on a part of the alerts unless every alert is meant."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from core.alerts.alert import Severity
from core.alerts.selecting import AlertMatcher
from core.alerts.silences.silence import accepted
from core.errors import UsageError
from core.escape import shown

MOST_LASTING: Final = timedelta(days=366)
MOST_COMMENT: Final = 500


def require_comment(comment: str) -> None:
    """Refuse a silence that does not say why.

    Raises:
        UsageError: There is no comment, or it is too long.
    """
    if not comment.strip():
        raise UsageError("A silence needs a comment that says why.")
    if len(comment) > MOST_COMMENT:
        raise UsageError(f"The comment of a silence has at most {MOST_COMMENT} characters.")


def require_times(starts_at: datetime, ends_at: datetime) -> None:
    """Refuse a time that no silence has.

    Raises:
        UsageError: It would end before it begins, or last more than a year.
    """
    if ends_at <= starts_at:
        raise UsageError(f"The silence would end at {ends_at:%Y-%m-%d %H:%M} UTC, before it begins.")
    if ends_at - starts_at > MOST_LASTING:
        raise UsageError("A silence lasts at most a year.")


def require_matchers(matchers: Sequence[AlertMatcher], *, everything: bool) -> None:
    """Refuse matchers that name no label, and those that accept every alert unless that is meant.

    Args:
        matchers: Those of one silence.
        everything: Whether it may hide every alert.

    Raises:
        UsageError: They cannot be used.
    """
    for matcher in matchers:
        if not matcher.name or not matcher.name.isprintable():
            raise UsageError(f"{shown(matcher.name)} is no name of a label; write a matcher as model=spread.")
    if not everything and hides_everything(matchers):
        raise UsageError(
            "A silence that hides every alert is made only if that is meant: name a label with a value, such as "
            "model=spread, or give --everything (over HTTP: everything)."
        )


def hides_everything(matchers: Sequence[AlertMatcher]) -> bool:
    """Whether matchers spare no alert: each accepts an empty label, or together they accept every rule and severity.

    >>> from core.alerts.selecting import read_matchers
    >>> [hides_everything(read_matchers(text)) for text in ('alertname=~".+"', 'severity=~"info|warning|critical"')]
    [True, True]
    >>> [hides_everything(read_matchers(text)) for text in ('model=~".+"', "severity=info", 'alertname=~"cpu.*"')]
    [False, False, False]
    """
    if all(matcher.accepts_value("") for matcher in matchers):
        return True
    return all(accepted(matchers, labels) for labels in _some_of_every_kind())


def _some_of_every_kind() -> Iterator[Mapping[str, str]]:
    """Yield the labels that every alert has: of each built-in rule, and of a rule that nobody has written."""
    from core.alerts.rules import RULES

    for name, severity in itertools.product((*RULES, "AnyOtherRule", "any_other_rule"), Severity):
        yield {"alertname": name, "severity": str(severity)}
