"""Choosing alerts: matchers, orders, groups."""

from datetime import UTC, datetime, timedelta

import pytest

from core.alerts import Alert, AlertState, Severity, fingerprint_of
from core.alerts.selecting import AlertMatcher, grouped, looks_like_matchers, matching, read_matchers, sorted_alerts
from core.errors import UsageError

T0 = datetime(2026, 1, 2, 3, tzinfo=UTC)


def an_alert(rule: str, severity: Severity, *, minute: int = 0, **labels: str) -> Alert:
    at = T0 + timedelta(minutes=minute)
    return Alert(
        fingerprint=fingerprint_of(rule, labels),
        rule=rule,
        severity=severity,
        state=AlertState.FIRING,
        summary=rule,
        labels=labels,
        first_at=at,
        last_at=at,
    )


CPU = an_alert("cpu_high", Severity.WARNING)
SPREAD = an_alert("drift_found", Severity.CRITICAL, minute=1, model="spread")
SPREAD_B = an_alert("drift_found", Severity.WARNING, minute=2, model="spread-b")
ALERTS = [CPU, SPREAD, SPREAD_B]


@pytest.mark.parametrize("name", ["model", "a:b", "équipe du desk", 'severity="info",x', "a\\b", "two\nlines", "1st"])
@pytest.mark.parametrize("value", ["", "x", 'a "b", c', "\\d+\n"])
def test_a_matcher_is_read_as_it_is_written(name, value):
    matcher = AlertMatcher(name, "!=", value)
    assert read_matchers(f'{matcher}, team="mail"') == (matcher, AlertMatcher("team", "=", "mail"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("severity=critical", [SPREAD]),
        ("severity!=critical", [CPU, SPREAD_B]),
        ('model=~"spread.*"', [SPREAD, SPREAD_B]),
        ('{model=~"spread", alertname="drift_found"}', [SPREAD]),
        ("model=~spread", [SPREAD]),
        ('model!~"spread.+"', [CPU, SPREAD]),
        ('model=""', [CPU]),
        ("rule=cpu_high,state=firing", [CPU]),
        (r'model="a\"b"', []),
    ],
)
def test_matchers_choose_by_labels(text, found):
    assert looks_like_matchers(text)
    assert matching(ALERTS, read_matchers(text)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "severity",
        "severity=critical model",
        "=x",
        'model=~"("',
        'model=~"(a+)+"',
        'model=~"(a|a)*b"',
        "a=1,b",
    ],
)
def test_what_is_no_matcher_is_refused_with_its_text(text):
    with pytest.raises(UsageError, match=r"matcher|pattern|expression"):
        read_matchers(text)


@pytest.mark.parametrize(
    ("by", "found"),
    [
        ("worst", [SPREAD, SPREAD_B, CPU]),
        ("newest", [SPREAD_B, SPREAD, CPU]),
        ("oldest", [CPU, SPREAD, SPREAD_B]),
        ("model", [SPREAD, SPREAD_B, CPU]),
    ],
)
def test_orders(by, found):
    assert sorted_alerts(ALERTS, by) == found


def test_an_unknown_order_is_refused():
    with pytest.raises(UsageError, match="the orders are worst"):
        sorted_alerts(ALERTS, "colour")


def test_groups_stand_in_the_order_of_their_first_alert():
    assert grouped(sorted_alerts(ALERTS), "severity") == {"critical": [SPREAD], "warning": [SPREAD_B, CPU]}
    assert list(grouped(ALERTS, "model")) == ["", "spread", "spread-b"]


@pytest.mark.parametrize(
    "pattern",
    ["((a|aa))*b", ".*a.*a.*a.*a.*a.*a.*a.*a.*b", "(a*)*b", "(?=a)b", r"(a)\1"],
)
def test_a_pattern_that_could_take_for_ever_or_that_prometheus_does_not_have_is_refused(pattern):
    with pytest.raises(UsageError, match="regular expression"):
        read_matchers(f'model=~"{pattern}"')


def test_a_value_that_is_too_long_for_a_pattern_of_many_repeats_does_not_match_it():
    (matcher,) = read_matchers('model=~".*a.*a.*a.*a.*a.*b"')
    assert not matcher.accepts_value("a" * 200)
    assert matcher.accepts_value("aaaaab")


@pytest.mark.parametrize(
    ("text", "value", "is_accepted"),
    [
        (r'model="a\nb"', "a\nb", True),
        (r'model="a\\b"', "a\\b", True),
        (r'model=~"a\\.b"', "a.b", True),
        (r'model=~"a\\.b"', "axb", False),
        (r'model=~"a\.b"', "axb", False),
        ('model=~"[[:alpha:]]+"', "abc", True),
        ('model=~"[[:alpha:]]+"', "a1", False),
        ('model=~"(?i)abc"', "ABC", True),
        ('model=~"^(?:foo|bar)$"', "bar", True),
    ],
)
def test_values_and_patterns_mean_what_they_mean_to_alertmanager(text, value, is_accepted):
    (matcher,) = read_matchers(text)
    assert matcher.accepts_value(value) is is_accepted
    assert read_matchers(str(matcher)) == (matcher,)
