"""Choosing alerts: filtered by matchers of their labels, sorted, and grouped."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from core.alerts.alert import EXTERNAL_PREFIX, Alert, AlertState
from core.errors import UsageError

_PLAIN_NAME = re.compile("[A-Za-z_:][A-Za-z0-9_:]*")
_MATCHER = re.compile(
    r'\s*(?:([A-Za-z_:][A-Za-z0-9_:]*)|"((?:[^"\\]|\\.)+)")\s*(=~|!~|!=|=)\s*'
    r'(?:"((?:[^"\\]|\\.)*)"|([^",{}\s]+(?:\s+[^",{}\s]+)*)?)\s*(?:,|$)'
)
_LOOKS_LIKE_MATCHERS = re.compile(r"\s*\{?\s*[A-Za-z_][A-Za-z0-9_]*\s*(=~|!~|!=|=)")
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}  # as Alertmanager reads them; any other backslash stays
_STATE_ORDER = {AlertState.FIRING: 0, AlertState.PENDING: 1, AlertState.ACKNOWLEDGED: 2, AlertState.RESOLVED: 3}
GROUPS = ("model", "rule", "severity")
"""By which an alert list may be grouped."""


class AlertMatcher(msgspec.Struct, frozen=True):
    """One condition on the labels of an alert; a label that is missing counts as empty."""

    name: str
    op: str  # "=", "!=", "=~", "!~"; a pattern must match the whole value
    value: str

    def __str__(self) -> str:
        name = self.name if _PLAIN_NAME.fullmatch(self.name) else quoted(self.name)
        return f"{name}{self.op}{quoted(self.value)}"

    def accepts(self, alert: Alert) -> bool:
        """Whether an alert is wanted."""
        return self.accepts_value(label_of(alert, self.name))

    def accepts_value(self, found: str) -> bool:
        """Whether a value of the label is wanted; a label that is missing is the value ""."""
        if self.op in ("=", "!="):
            return (found == self.value) is (self.op == "=")
        return _matches(self.value, found) is (self.op == "=~")


def label_of(alert: Alert, name: str) -> str:
    """Return a label as routes see it; a missing `rule`, `state` or `severity` as the list of alerts shows it."""
    labels = alert.routing_labels
    if name not in labels and name in ("rule", "state", "severity"):
        return {"rule": alert.name, "state": str(alert.state), "severity": str(alert.severity)}[name]
    return labels.get(name, "")


def read_matchers(text: str, *, is_typed: bool = True) -> tuple[AlertMatcher, ...]:
    """Read matchers as Alertmanager writes them: `severity=critical, model=~"spread.*"`, in braces or not.

    Args:
        text: The matchers, separated by commas.
        is_typed: Whether a person typed them, who may have forgotten a comma: then a value with spaces needs quotes. In
            a file it needs none.

    Raises:
        UsageError: A part is not a matcher, or its pattern cannot be used.

    >>> [str(matcher) for matcher in read_matchers('severity=critical,model=~"spread.*"')]
    ['severity="critical"', 'model=~"spread.*"']
    >>> [str(matcher) for matcher in read_matchers("{team=rates desk, site=zrh}", is_typed=False)]
    ['team="rates desk"', 'site="zrh"']
    """
    rest = text.strip()
    if rest.startswith("{") and rest.endswith("}"):
        rest = rest[1:-1].strip()
    matchers: list[AlertMatcher] = []
    while rest:
        found = _MATCHER.match(rest)
        if found is None or (is_typed and len((found[5] or "").split()) > 1):
            raise UsageError(f'{rest!r} is not a matcher; write one as severity=critical or model=~"spread.*".')
        name, op, quoted, plain = found[1] or _unescaped(found[2]), found[3], found[4], found[5]
        # Without quotes, too, as Alertmanager's: `a=~x\\\\.y` is the pattern x\\.y.
        matchers.append(AlertMatcher(name, op, _unescaped(plain or "" if quoted is None else quoted)))
        rest = rest[found.end() :]
    if not matchers:
        raise UsageError('There is no matcher; write one as severity=critical or model=~"spread.*".')
    for matcher in matchers:
        require_usable(matcher)
    return tuple(matchers)


def quoted(text: str) -> str:
    """Return a text in quotes, as Alertmanager writes values of matchers and of groups."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), text)


def looks_like_matchers(text: str) -> bool:
    """Whether a filter is meant as matchers, and not as words.

    >>> looks_like_matchers("severity=critical"), looks_like_matchers("gate failed")
    (True, False)
    """
    return _LOOKS_LIKE_MATCHERS.match(text) is not None


def require_usable(matcher: AlertMatcher) -> None:
    """Refuse a pattern that is none, or that could take for ever, and the name of a rule that no alert has for a name.

    Raises:
        UsageError: It cannot be used.
    """
    if matcher.name == "alertname" and matcher.op == "=" and matcher.value.startswith(EXTERNAL_PREFIX):
        sent = AlertMatcher(matcher.name, matcher.op, matcher.value.removeprefix(EXTERNAL_PREFIX))
        raise UsageError(f"{matcher} matches no alert: an alert from elsewhere has the name it was sent with: {sent}.")
    if matcher.op in ("=~", "!~"):
        _matches(matcher.value, "")


def _matches(pattern: str, value: str) -> bool:
    """Whether a pattern, in the syntax of RE2, matches a whole value; one that it could take for ever on it does not.

    Raises:
        UsageError: It is no pattern, or could take for ever on any value.
    """
    from core.promql.errors import PromqlError  # a console that draws its first screen needs none of it
    from core.promql.patterns import LabelPattern

    found = LabelPattern.of(pattern)
    try:
        return found.matches(value)
    except PromqlError:
        return False


def matching(alerts: Sequence[Alert], matchers: Sequence[AlertMatcher]) -> list[Alert]:
    """Return the alerts that every matcher accepts, in their order."""
    return [alert for alert in alerts if all(matcher.accepts(alert) for matcher in matchers)]


def naming(alerts: Sequence[Alert], words: str) -> list[Alert]:
    """Return the alerts in whose rule, labels, state, severity or summary every word occurs, ignoring case.

    Args:
        alerts: The alerts.
        words: The words; of `column:word` only the word is sought, which keeps at least the wanted alerts.
    """
    wanted = [word.rpartition(":")[2] for word in words.casefold().split()]
    return [alert for alert in alerts if all(word in _text_of(alert) for word in wanted)]


def _text_of(alert: Alert) -> str:
    who = alert.acknowledged_by or ""
    state = "snoozed flapping affected ok" if alert.state.is_open else ""
    parts = (alert.severity, alert.state, alert.summary, alert.full_name, who, str(alert.n_fired), state)
    return " ".join(parts).casefold()


_SORTS: dict[str, Callable[[Alert], Any]] = {
    "worst": lambda alert: (_STATE_ORDER[alert.state], -alert.severity.rank, -alert.last_at.timestamp()),
    "newest": lambda alert: -alert.first_at.timestamp(),
    "oldest": lambda alert: alert.first_at.timestamp(),
    "rule": lambda alert: (alert.name, alert.summary),
    "model": lambda alert: (alert.labels.get("model", "\uffff"), alert.name),
    "times": lambda alert: -alert.n_fired,
}
SORTS = tuple(_SORTS)
"""In which an alert list may be sorted, the usual order first."""


def sorted_alerts(alerts: Sequence[Alert], by: str = "worst") -> list[Alert]:
    """Sort alerts.

    Args:
        alerts: The alerts.
        by: One of `SORTS`.

    Raises:
        UsageError: There is no such order.
    """
    if by not in _SORTS:
        raise UsageError(f"Alerts are not sorted by {by!r}; the orders are {', '.join(SORTS)}.")
    return sorted(alerts, key=_SORTS[by])


def grouped(alerts: Sequence[Alert], by: str) -> dict[str, list[Alert]]:
    """Group alerts by a label, by their rule or by their severity; groups stand in the order of their first alert.

    Args:
        alerts: The alerts, sorted.
        by: The name of a label, "rule" or "severity"; alerts without the label are the group "".
    """
    groups: dict[str, list[Alert]] = {}
    for alert in alerts:
        groups.setdefault(label_of(alert, by), []).append(alert)
    return groups
