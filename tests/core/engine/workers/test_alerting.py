"""The worker that evaluates rule files: an alert on a file that cannot be used, and settings without a restart."""

from dataclasses import replace

import pytest

from core.alerts import Alerts
from core.engine import Engine
from core.engine.workers.alerting import RuleEvaluator
from core.maintenance.workspace_health import examine_health
from tests.clocks import HandClock
from tests.waiting import until

RULES = "groups:\n  - name: a\n    rules:\n      - {alert: Always, expr: vector(1) > 0}\n"


@pytest.fixture
def hand():
    return HandClock()


@pytest.fixture
def evaluator(context, hand):
    found = RuleEvaluator(replace(context, clock=hand))
    yield found
    found.end(after_failure=False)


def open_rules(workspace):
    return {alert.rule: alert for alert in Alerts(workspace).open()}


def test_rules_that_the_settings_name_are_in_force_without_a_restart(evaluator, workspace):
    evaluator.step()
    assert open_rules(workspace) == {}
    (workspace.root / "a.yaml").write_text(RULES)
    workspace.settings_file.write_text("alerts:\n  rules: [a.yaml]\n")
    assert 0 < evaluator.step() <= 15
    assert set(open_rules(workspace)) == {"Always"}


def test_a_file_that_cannot_be_used_is_an_alert_until_it_can_be_used_again(evaluator, workspace, hand):
    file = workspace.root / "a.yaml"
    file.write_text(RULES.replace("> 0", "> >"))
    workspace.settings_file.write_text("alerts:\n  rules: [a.yaml]\n")
    assert 0 < evaluator.step() <= 15
    hand.pass_by(59)
    assert 0 < evaluator.step() <= 1
    assert open_rules(workspace) == {}
    hand.pass_by(1)
    evaluator.step()
    alert = open_rules(workspace)["rules_unusable"]
    assert alert.labels == {"file": "a.yaml"}
    assert "line 4" in alert.summary
    file.write_text(RULES)
    evaluator.step()
    assert set(open_rules(workspace)) == {"Always"}


def test_a_file_that_is_repaired_within_a_minute_is_no_alert(evaluator, workspace, hand):
    file = workspace.root / "a.yaml"
    workspace.settings_file.write_text("alerts:\n  rules: [a.yaml]\n")
    for text in (RULES.replace("> 0", "> >"), RULES, RULES.replace("> 0", "> >"), RULES):
        file.write_text(text)
        hand.pass_by(50)
        evaluator.step()
    assert set(open_rules(workspace)) == {"Always"}


def test_the_next_engine_keeps_the_alert_on_a_file_that_still_cannot_be_used(evaluator, workspace, hand, context):
    (workspace.root / "a.yaml").write_text(RULES.replace("> 0", "> >"))
    workspace.settings_file.write_text("alerts:\n  rules: [a.yaml]\n")
    for _ in range(2):
        evaluator.step()
        hand.pass_by(60)
    assert set(open_rules(workspace)) == {"rules_unusable"}
    following = RuleEvaluator(replace(context, clock=hand))
    (workspace.root / "a.yaml").write_text(RULES.replace("> 0", ">"))
    following.step()
    following.end(after_failure=False)
    (alert,) = Alerts(workspace).open()
    assert (alert.rule, alert.n_fired) == ("rules_unusable", 1)


def test_a_rule_that_fails_is_an_alert_until_it_does_no_longer(evaluator, workspace, hand):
    file = workspace.root / "a.yaml"
    file.write_text(RULES + "      - {alert: Fails, expr: vector(1), labels: {team: '{{ humanize `desk` }}'}}\n")
    workspace.settings_file.write_text("alerts:\n  rules: [a.yaml]\n")
    for _ in range(2):
        evaluator.step()
        hand.pass_by(60)
    found = open_rules(workspace)
    assert set(found) == {"Always", "Fails", "rules_unusable"}
    assert found["rules_unusable"].labels == {"file": "a.yaml"}
    assert "the rule a.yaml:a:Fails fails" in found["rules_unusable"].summary
    file.write_text(RULES)
    evaluator.step()
    assert set(open_rules(workspace)) == {"Always"}


def test_an_instant_before_1970_leaves_the_thread_and_the_other_rules_alone(workspace, person):
    text = RULES + '      - {alert: Past, expr: "up @ -100", labels: {a: \'{{ with query "up @ -1" }}{{ end }}\'}}\n'
    text += '      - {alert: Gone, expr: "absent(bondx_engine_up @ -0.4)"}\n'
    (workspace.root / "a.yaml").write_text(text)
    workspace.settings_file.write_text("alerts: {rules: [a.yaml], ready_made: false}\n")
    engine = Engine(workspace, mode="headless", actor=person)
    engine.start()
    try:
        until(lambda: {"Always", "Gone"} <= set(open_rules(workspace)), "the alerts of the other rules")
        until(lambda: "alerting" in {each.name for each in examine_health(workspace).workers}, "a report of it")
        [worker] = [each for each in examine_health(workspace).workers if each.name == "alerting"]
        assert (worker.is_ready, worker.n_failures) == (True, 0)
    finally:
        engine.stop(0)


def test_an_evaluation_is_given_up_when_the_engine_stops_and_decides_nothing(evaluator, workspace, monkeypatch):
    from core.alerts.evaluation.source import RecordedSource

    (workspace.root / "a.yaml").write_text(RULES.replace("vector(1)", "absent(nothing)"))
    workspace.settings_file.write_text("alerts:\n  rules: [a.yaml]\n  ready_made: false\n")
    select = RecordedSource.select

    def selected(source, *asked):
        evaluator.stop()  # as the engine does from another thread
        return select(source, *asked)

    monkeypatch.setattr(RecordedSource, "select", selected)
    assert evaluator.step() is None
    assert open_rules(workspace) == {}
