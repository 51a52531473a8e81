"""Rule files over recorded series: firing, resolving, restarts, people's decisions, recorded results."""

from datetime import timedelta

import msgspec
import pytest

from console.presentation.alerts import alert_facts
from core.actor import Actor
from core.alerts import Alerts, AlertState
from core.alerts.delivery.channels.alertmanager_json import postable_alert
from core.alerts.delivery.message import notified
from core.alerts.delivery.wording import facts
from core.alerts.evaluation.evaluation import RuleEvaluation
from core.alerts.evaluation.listing import evaluate_by_hand, rule_lines
from core.alerts.evaluation.source import RecordedSource
from core.alerts.store import AlertStore
from core.governance import AuditLog
from core.promql import Expression
from core.settings import AlertSettings
from core.telemetry.metrics import MetricWriter
from tests.clocks import HandClock, HandSeconds

RULES = """\
groups:
  - name: drift
    rules:
      - record: model:psi:max
        expr: max by (model) (bondx_drift_psi)
      - alert: Moved
        expr: model:psi:max > 0.25
        for: 1m
        keep_firing_for: KEEP
        labels: {severity: critical, team: "{{ $labels.model }}-desk"}
        annotations:
          summary: '{{ $labels.model }} moved: {{ $value | printf "%.2f" }}'
          description: Look at it.
"""


@pytest.fixture
def clock():
    return HandClock()


class Desk:
    """A workspace whose series and rules a test writes, and whose engine may restart."""

    def __init__(self, workspace, clock):
        self.workspace, self.clock = workspace, clock
        self.writer = MetricWriter(workspace.metrics_file, clock, job="bondx-engine", instance="host")
        self.settings = AlertSettings(rules=["a.yaml"], ready_made=False)
        self.restart()

    def restart(self):
        """Begin again, as after a kill: nothing but the files is left."""
        self.reader = RecordedSource(self.workspace, self.clock)
        # A rule that fails within no time never rests, however slow the machine is.
        self.evaluation = RuleEvaluation(self.workspace, self.reader, self.clock, monotonic=HandSeconds())

    def rules(self, text=RULES, keep="0s"):
        """Write the rule file."""
        (self.workspace.root / "a.yaml").write_text(text.replace("KEEP", keep), encoding="utf-8")

    def pass_time(self, seconds, psi):
        """Let time pass at 15 s a scrape; psi by model."""
        from prometheus_client.core import GaugeMetricFamily

        for _ in range(round(seconds / 15)):
            self.clock.now += timedelta(seconds=15)
            family = GaugeMetricFamily("bondx_drift_psi", "", labels=("model",))
            for model, value in psi.items():
                family.add_metric((model,), value)
            self.writer.record(self.clock.now, [family])
            self.evaluation.step(self.settings)

    def alerts(self):
        """Return all alerts."""
        return Alerts(self.workspace, clock=self.clock).all()


@pytest.fixture
def desk(workspace, clock):
    desk = Desk(workspace, clock)
    desk.rules()
    yield desk
    desk.evaluation.close()
    desk.writer.close()


def test_an_alert_fires_after_its_dwell_with_its_texts_and_resolves(desk, workspace):
    desk.pass_time(45, {"spread": 0.4, "curve": 0.1})
    assert desk.alerts() == []
    desk.pass_time(45, {"spread": 0.4, "curve": 0.1})
    (alert,) = desk.alerts()
    assert alert.state is AlertState.FIRING
    assert alert.rule == "Moved"
    assert alert.labels == {"model": "spread", "severity": "critical", "team": "spread-desk"}
    assert str(alert.severity) == "critical"
    assert alert.summary == "spread moved: 0.40"
    assert alert.advice == "Look at it."
    assert alert.source == "rules:a.yaml:drift"
    assert alert.expr == "model:psi:max > 0.25"
    desk.pass_time(15, {"spread": 0.1})
    (alert,) = desk.alerts()
    assert alert.state is AlertState.RESOLVED
    verbs = [record.verb for record in AuditLog(workspace).tail(99)]
    assert verbs.count("alert.fire") == verbs.count("alert.resolve") == 1


NOT_FINITE = {"up": float("inf"), "down": float("-inf"), "none": float("nan"), "some": 0.4}
UNEQUAL = """\
groups:
  - name: odd
    rules:
      - {alert: Odd, expr: "bondx_drift_psi != 0", annotations: {summary: "{{ $labels.model }} is {{ $value }}"}}
      - {alert: Bare, expr: "bondx_drift_psi != 0"}
"""


def test_values_that_json_cannot_hold_fire_like_the_others_of_their_rule(desk, workspace):
    desk.rules(UNEQUAL)
    desk.pass_time(15, NOT_FINITE)
    spelled = {"up": "+Inf", "down": "-Inf", "none": "NaN", "some": 0.4}
    odd = [alert for alert in desk.alerts() if alert.rule == "Odd"]
    assert {alert.labels["model"]: alert.value for alert in odd} == spelled
    assert {alert.summary for alert in odd} == {"up is +Inf", "down is -Inf", "none is NaN", "some is 0.4"}
    bare = {alert.labels["model"]: alert for alert in desk.alerts() if alert.rule == "Bare"}
    assert "at +Inf" in bare["up"].summary
    assert msgspec.json.decode(msgspec.json.encode(bare["up"]))["value"] == "+Inf"
    assert dict(alert_facts(bare["none"], desk.clock()))["value"] == "NaN"
    assert [fact.text for fact in facts(notified(bare["down"], "")) if fact.name == "Value"] == ["-Inf"]
    assert (
        postable_alert(notified(bare["up"], ""), now=desk.clock(), valid_for=timedelta(minutes=1))["annotations"][
            "value"
        ]
        == "+Inf"
    )
    assert {line.state for line in rule_lines(workspace, desk.settings)} == {"firing"}
    shown = evaluate_by_hand(desk.reader, "bondx_drift_psi", desk.clock())
    assert {(each.labels["model"], each.value, each.text) for each in shown} == {
        ("up", "+Inf", "+Inf"), ("down", "-Inf", "-Inf"), ("none", "NaN", "NaN"), ("some", 0.4, "0.4")
    }  # fmt: skip
    desk.restart()
    desk.pass_time(60, NOT_FINITE | {"some": float("inf")})
    assert {alert.labels["model"]: alert.value for alert in desk.alerts() if alert.rule == "Odd"}["some"] == "+Inf"


FAILING = """\
groups:
  - name: words
    rules:
      - alert: Wordy
        expr: "bondx_drift_psi > 0"
        labels: {who: "{{ humanize $labels.model }}", severity: critical}
        annotations: {summary: "{{ $labels.model }} moved", description: "by {{ humanizeDuration $labels.model }}"}
      - {alert: Quiet, expr: "bondx_drift_psi > 0", annotations: {summary: "{{ humanize $labels.model }}"}}
      - {alert: Sound, expr: "bondx_drift_psi > 0"}
"""


def test_a_template_that_fails_leaves_its_error_as_its_text_and_the_alert_fires(desk, workspace):
    desk.rules(FAILING)
    desk.pass_time(15, {"spread": 0.4, "7": 0.5})
    found = {(alert.rule, alert.labels["model"]): alert for alert in desk.alerts()}
    assert set(found) == {(rule, model) for rule in ("Wordy", "Quiet", "Sound") for model in ("spread", "7")}
    wordy = found["Wordy", "spread"]
    assert wordy.labels["who"].startswith("<error expanding template: ")
    assert wordy.summary == "spread moved"
    assert wordy.annotations["description"].startswith("<error expanding template: ")
    assert found["Wordy", "7"].labels["who"] == "7"
    desk.pass_time(15, {"spread": 0.4, "7": 0.5})  # nothing is told again, and the fault is still one
    errors = {line.rule: line.error for line in rule_lines(workspace, desk.settings)}
    assert "the template of the label who fails" in errors["Wordy"]
    assert "the template of the annotation summary fails" in errors["Quiet"]
    assert errors["Sound"] == ""
    assert "(1 more: bondx alerts rules" in desk.evaluation.failing["a.yaml"]
    desk.rules(FAILING.replace("humanizeDuration ", "").replace("humanize ", ""))
    desk.pass_time(75, {"spread": 0.4})  # its texts are written once a minute
    assert desk.evaluation.failing == {}


def test_the_labels_of_a_template_are_those_of_the_series(desk):
    desk.rules(
        "groups: [{name: a, rules: [{alert: Own, expr: 'bondx_drift_psi > 0',"
        " labels: {severity: critical, model: over},"
        " annotations: {summary: '{{ $labels.model }} / {{ $labels.severity }} / {{ $labels.__name__ }}'}}]}]"
    )
    desk.pass_time(15, {"orig": 0.4})
    (alert,) = desk.alerts()
    assert alert.labels["model"] == "over"
    assert alert.annotations["summary"] == "orig /  / bondx_drift_psi"


def test_a_pending_alert_goes_on_after_a_restart(desk):
    desk.pass_time(45, {"spread": 0.4})
    desk.restart()
    desk.pass_time(30, {"spread": 0.4})
    assert [alert.state for alert in desk.alerts()] == [AlertState.FIRING]


def test_a_pending_alert_begins_anew_after_a_long_outage(desk):
    desk.pass_time(45, {"spread": 0.4})
    desk.clock.now += timedelta(hours=3)
    desk.restart()
    desk.pass_time(30, {"spread": 0.4})
    assert desk.alerts() == []
    desk.pass_time(45, {"spread": 0.4})
    assert len(desk.alerts()) == 1


def test_a_firing_alert_goes_on_and_resolves_after_a_restart(desk):
    desk.pass_time(90, {"spread": 0.4})
    desk.restart()
    desk.pass_time(30, {"spread": 0.4})
    (alert,) = desk.alerts()
    assert (alert.state, alert.n_fired) == (AlertState.FIRING, 1)
    desk.restart()
    desk.pass_time(15, {"spread": 0.1})
    assert [alert.state for alert in desk.alerts()] == [AlertState.RESOLVED]


def test_an_engine_that_was_killed_before_it_kept_the_state_still_resolves_the_alert(desk, monkeypatch):
    desk.pass_time(60, {"spread": 0.4})
    kept = desk.evaluation._keep
    monkeypatch.setattr(desk.evaluation, "_keep", lambda *_: None)
    desk.pass_time(15, {"spread": 0.4})
    assert len(desk.alerts()) == 1
    assert kept is not None
    desk.restart()
    desk.pass_time(15, {"spread": 0.1})
    assert [alert.state for alert in desk.alerts()] == [AlertState.RESOLVED]


def test_keep_firing_for_bridges_gaps_also_over_a_restart(desk):
    desk.rules(keep="1m")
    desk.pass_time(90, {"spread": 0.4})
    desk.pass_time(30, {"spread": 0.1})
    desk.restart()
    desk.pass_time(15, {"spread": 0.1})
    assert [alert.state for alert in desk.alerts()] == [AlertState.FIRING]
    desk.pass_time(30, {"spread": 0.1})
    assert [alert.state for alert in desk.alerts()] == [AlertState.RESOLVED]


def test_an_alert_that_a_person_resolved_fires_again_only_after_it_ended(desk, workspace, clock):
    desk.pass_time(90, {"spread": 0.4})
    (alert,) = desk.alerts()
    Alerts(workspace, clock=clock).resolve(alert.fingerprint, Actor.engine())
    desk.pass_time(90, {"spread": 0.4})
    assert [alert.state for alert in desk.alerts()] == [AlertState.RESOLVED]
    desk.pass_time(15, {"spread": 0.1})
    desk.pass_time(90, {"spread": 0.4})
    assert [(alert.state, alert.n_fired) for alert in desk.alerts()] == [(AlertState.FIRING, 2)]


def test_the_alerts_of_a_rule_that_is_gone_resolve_and_those_of_a_broken_file_stay(desk):
    desk.pass_time(90, {"spread": 0.4})
    desk.rules("groups: [\n")
    desk.pass_time(15, {"spread": 0.4})
    assert set(desk.evaluation.problems) == {"a.yaml"}
    assert [alert.state for alert in desk.alerts()] == [AlertState.FIRING]
    desk.restart()
    desk.pass_time(15, {"spread": 0.4})
    assert [alert.state for alert in desk.alerts()] == [AlertState.FIRING]
    desk.rules("groups: []\n")
    desk.pass_time(15, {"spread": 0.4})
    assert [alert.state for alert in desk.alerts()] == [AlertState.RESOLVED]


def test_results_are_recorded_under_their_own_labels_and_end_with_their_series(desk):
    desk.pass_time(60, {"spread": 0.4})
    at_ms = round(desk.clock.now.timestamp() * 1000)
    (sample,) = Expression.parse("model:psi:max").at(desk.reader, at_ms)
    assert sample.labels == (("__name__", "model:psi:max"), ("model", "spread"))
    (pending,) = Expression.parse('ALERTS{alertname="Moved"}').at(desk.reader, at_ms)
    assert dict(pending.labels)["alertstate"] == "pending"
    desk.pass_time(15, {"curve": 0.1})
    at_ms = round(desk.clock.now.timestamp() * 1000)
    assert [dict(one.labels)["model"] for one in Expression.parse("model:psi:max").at(desk.reader, at_ms)] == ["curve"]


def test_a_limit_is_an_error_that_is_kept_for_people(desk, workspace):
    desk.rules(RULES.replace("    rules:", "    limit: 1\n    rules:"))
    desk.pass_time(15, {"spread": 0.4, "curve": 0.4})
    (record,) = records_of(workspace)
    assert "limit 1" in record.errors["a.yaml:drift:model:psi:max"]


def records_of(workspace):
    """Return how the groups fared."""
    from core.alerts.evaluation.records import GROUP_TABLE, RuleGroupRecord

    return workspace.database("alerts").documents(GROUP_TABLE, RuleGroupRecord, key="group").all()


def test_ready_made_rules_run_but_not_what_the_engine_judges_itself(desk, workspace):
    desk.settings = AlertSettings()
    desk.pass_time(330, {"spread": 0.1})
    assert desk.alerts() == []
    assert len(records_of(workspace)) == 8
    assert all(record.errors == {} for record in records_of(workspace))
    assert AlertStore(workspace, desk.clock).documents.all() == []


def test_a_rule_that_fails_after_a_long_time_rests_and_keeps_its_error(desk, workspace, clock):
    """The other rules are evaluated meanwhile, and the rule is tried again after its rest."""
    from core.alerts.evaluation.records import GROUP_TABLE, RuleGroupRecord
    from core.alerts.store import DATABASE

    class SlowSource(RecordedSource):
        seconds, n_slow = 0.0, 0

        def select(self, matchers, from_ms, to_ms):
            if matchers[0].value == "slow":
                self.n_slow += 1
                self.seconds += 300.0
            return super().select(matchers, from_ms, to_ms)

    desk.rules(
        "groups:\n  - name: a\n    rules:\n"
        "      - {alert: Slow, expr: slow + slow > 0}\n"
        "      - {alert: Moved, expr: bondx_drift_psi > 0.25}\n"
    )
    source = SlowSource(workspace, clock)
    desk.evaluation = RuleEvaluation(workspace, source, clock, monotonic=lambda: source.seconds)

    def errors():
        (record,) = workspace.database(DATABASE).documents(GROUP_TABLE, RuleGroupRecord, key="group").all()
        return list(record.errors.values())

    for _ in range(3):
        desk.pass_time(60, {"spread": 0.4})
        assert source.n_slow == 1
        assert "given up after 120 s" in errors()[0]
        assert [alert.rule for alert in desk.alerts()] == ["Moved"]
    source.seconds += 20 * 300.0
    desk.pass_time(60, {"spread": 0.4})
    assert source.n_slow == 2


def test_a_severity_that_is_a_template_is_shown_as_such(desk, workspace):
    from core.alerts.evaluation.listing import rule_lines

    desk.rules(RULES.replace("severity: critical", "severity: '{{ $labels.tier }}'"))
    lines = {line.rule: line.severity for line in rule_lines(workspace, desk.settings)}
    assert lines["Moved"] == "per alert"
