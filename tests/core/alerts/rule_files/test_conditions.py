"""Conditions as teams write them down are rules over our series, those of the ready-made rules."""

from datetime import timedelta
from pathlib import Path

import pytest

from core.alerts.ready_made import READY_MADE_FILE
from core.alerts.rule_files import check_rule_file, load_rule_file
from core.alerts.rule_files.conditions import PERFORMANCE, expression_of
from core.errors import UsageError
from core.monitoring.baselines import BASELINE_METRICS
from core.promql import Expression

BROUGHT = Path(__file__).parent / "brought_along" / "alert_rules.yaml"


def spelled(rule):
    """Return the expression of a rule on one line."""
    return " ".join(rule.expression.text.split())


def test_the_conditions_that_users_bring_are_the_ready_made_rules():
    ours = {rule.name: rule for rule in load_rule_file(READY_MADE_FILE).rules}
    drift, drop = load_rule_file(BROUGHT).rules

    assert (drift.name, spelled(drift), drift.for_) == (
        "high_drift",
        spelled(ours["HighDrift"]),
        ours["HighDrift"].for_,
    )
    assert drift.labels == {"severity": "warning", "notification": "email,slack"}
    assert (drop.name, spelled(drop)) == ("performance_drop", spelled(ours["PerformanceDrop"]))
    assert drop.labels == {"severity": "critical", "notification": "email,slack,pager"}
    assert "accuracy < baseline_accuracy - 0.05" in drop.annotations["summary"]
    assert drop.place.endswith("alert_rules.yaml:3:1")


def test_a_condition_may_say_how_long_it_must_hold_and_need_not_say_who_is_told(tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text('at_once: {condition: "f1 < 0.7", for: 0}\nslowly: {condition: "rmse > 3", for: 1h}\n')
    at_once, slowly = load_rule_file(file).rules
    assert (at_once.for_, slowly.for_) == (timedelta(), timedelta(hours=1))
    assert at_once.labels == {}


@pytest.mark.parametrize("metric", PERFORMANCE)
def test_every_metric_with_a_baseline_can_be_compared_with_it(metric):
    assert Expression.parse(expression_of(f"{metric} < baseline_{metric} * 0.9 - 1e-3"))


def test_the_metrics_are_those_that_have_a_baseline():
    assert PERFORMANCE == BASELINE_METRICS


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("psi > 0.25", "names 'psi', which is not measured; metrics are psi_score, accuracy"),
        ("accuracy < base - 1", "names 'base', which is not measured; baselines are baseline_accuracy"),
        ("accuracy < accuracy", "the limit names 'accuracy'"),
        ("accuracy == e", "the limit names 'e'"),
        ("accuracy", "must be a metric, a comparison and a limit"),
        ("0.5 > accuracy", "must be a metric, a comparison and a limit"),
        ('accuracy < 0.5 or vector(1) > "x"', "must be a metric, a comparison and a limit"),
        ("psi_score > baseline_accuracy", "psi_score has no baseline"),
    ],
)
def test_any_other_condition_is_refused_with_what_there_is(condition, says):
    with pytest.raises(UsageError, match=says):
        expression_of(condition)


def test_every_fault_of_a_file_has_its_place(tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text(
        'a: {condition: "psi > 0.1"}\n'
        "b: {severity: warning}\n"
        'c: {condition: "mae > 1", notification: {x: 1}}\n'
        'd: {condition: "mae > (1"}\n'
        'e: {condition: "mae > 1", channel: email}\n'
        "f: 3\n"
    )
    _, faults = check_rule_file(file)
    said = [str(fault).removeprefix(f"{file}, ") for fault in faults]
    assert [text.split(",")[0] for text in said] == [f"line {n}" for n in range(1, 7)]
    assert "the condition is missing" in said[1]
    assert "notification must be a list of names" in said[2]
    assert "'channel' is no key of a condition; the keys are condition, severity, notification, for" in said[4]
