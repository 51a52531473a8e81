"""The sentences of a message: the same for every channel, which only escapes and arranges them."""

from collections.abc import Iterator
from typing import NamedTuple

from core.alerts.alert import value_words
from core.alerts.delivery.message import AlertMessage, MessageStatus, NotifiedAlert
from core.clock import in_words
from core.escape import escaped

MOST_SHOWN = 10
"""How many alerts a message to a person spells out."""
_MOST_HEADLINE = 200
_MOST_TEXT = 2_000


class Fact(NamedTuple):
    """One line about an alert."""

    name: str
    text: str
    is_command: bool = False
    is_link: bool = False


def headline(message: AlertMessage) -> str:
    """Say in one line what a message is about.

    The line names the state, the severity and the alert; of several alerts it counts those that fire and those that
    ended.
    """
    if message.reason == "heartbeat":
        return f"[heartbeat] {message.workspace or 'BondX'}: the engine is running and can send notifications"
    if message.reason == "test":
        return "[test] BondX: this receiver works"
    prefix = "[escalation] " if message.reason == "escalation" else ""
    if len(message.alerts) + message.n_truncated == 1:
        only = message.alerts[0]
        taken = f"taken by {only.taken_by}: " if message.status is MessageStatus.ACKNOWLEDGED and only.taken_by else ""
        return one_line(f"{prefix}[{only.status}] {only.severity} {only.name}: {taken}{only.summary}")
    if message.status is MessageStatus.ACKNOWLEDGED:
        return _taken_in_one_line(message)
    n_firing, n_resolved = len(message.firing), len(message.resolved)
    counts = [f"{n} {word}" for n, word in ((n_firing, "firing"), (n_resolved, "resolved")) if n]
    more = f", {message.n_truncated} more" if message.n_truncated else ""
    names = ", ".join(dict.fromkeys(alert.name for alert in message.alerts))
    return one_line(f"{prefix}[{', '.join(counts)}{more}] {message.severity} {names}")


def _taken_in_one_line(message: AlertMessage) -> str:
    people = ", ".join(dict.fromkeys(alert.taken_by for alert in message.alerts if alert.taken_by))
    names = ", ".join(dict.fromkeys(alert.name for alert in message.alerts))
    taken = f"taken by {people}: " if people else ""
    return one_line(f"[{len(message.alerts) + message.n_truncated} acknowledged] {message.severity} {taken}{names}")


def facts(alert: NotifiedAlert) -> Iterator[Fact]:
    """Yield what a person needs to know about an alert, in the order of need."""
    yield Fact("Alert", one_line(f"{alert.name} ({alert.severity}, {alert.status})"))
    yield Fact("What", clean(alert.summary))
    if alert.description and alert.description != alert.summary:
        yield Fact("Description", clean(alert.description))
    until = f" until {in_words(alert.ends_at)}" if alert.ends_at and not alert.is_firing else ""
    yield Fact("Since", f"{in_words(alert.starts_at)}{until}")
    if alert.taken_by:
        yield Fact("Taken by", one_line(alert.taken_by))
    if alert.value is not None:
        limit = f", limit {value_words(alert.threshold)}" if alert.threshold is not None else ""
        yield Fact("Value", f"{value_words(alert.value)}{limit}")
    if own := {name: text for name, text in alert.labels.items() if name not in ("alertname", "severity")}:
        yield Fact("Labels", clean(", ".join(f"{name}={text}" for name, text in sorted(own.items()))))
    if alert.suspect:
        yield Fact("Suspect version", clean(alert.suspect))
    if not alert.is_firing:
        return
    if alert.advice:
        yield Fact("What to do", clean(alert.advice))
    if alert.status is MessageStatus.FIRING and alert.fingerprint:
        yield Fact("Acknowledge", alert.acknowledge_command, is_command=True)
    if alert.runbook_url:
        yield Fact("Runbook", one_line(alert.runbook_url), is_link=is_web_address(alert.runbook_url))


def footers(message: AlertMessage) -> Iterator[str]:
    """Yield the closing lines of a message."""
    if (n_more := len(message.alerts) - MOST_SHOWN + message.n_truncated) > 0:
        yield f"{n_more} more: bondx alerts list"
    if message.may_repeat:
        yield "This may be a repetition: the engine ended while it sent this message."
    if message.workspace:
        yield one_line(f"Workspace: {message.workspace}")


def plain_text(message: AlertMessage) -> str:
    """Return a message as lines of text."""
    blocks = ["\n".join(f"{fact.name}: {fact.text}" for fact in facts(alert)) for alert in message.alerts[:MOST_SHOWN]]
    return "\n\n".join(filter(None, (headline(message), *blocks, "\n".join(footers(message))))) + "\n"


def one_line(text: str) -> str:
    """Return a text from outside as one line without controls, of a bounded length."""
    line = escaped(" ".join(text.split()))
    return line if len(line) <= _MOST_HEADLINE else f"{line[:_MOST_HEADLINE]}…"


def clean(text: str) -> str:
    """Return a text from outside without controls, of a bounded length; its line breaks stay."""
    text = escaped(text.replace("\r\n", "\n"), keep="\n\t")
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"


def is_web_address(text: str) -> bool:
    """Whether a text is an address that a link may lead to: no script, no file."""
    return text.startswith(("https://", "http://")) and not any(each.isspace() or each in '<>"|' for each in text)
