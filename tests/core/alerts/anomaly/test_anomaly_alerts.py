"""Rules on anomalies over recorded series: learning, firing with the metrics named, listing, replay, faults."""

from datetime import timedelta

import numpy as np
import pytest

from console.cli.main import main
from core.alerts import Alerts, AlertState
from core.alerts.anomaly.scoring import AnomalyScoring
from core.alerts.evaluation.evaluation import RuleEvaluation
from core.alerts.evaluation.listing import rule_lines
from core.alerts.evaluation.source import RecordedSource
from core.settings import AlertSettings
from core.settings.alert_anomaly import AnomalySettings
from core.telemetry.metrics import MetricWriter
from tests.clocks import HandClock, HandSeconds

RULE = AnomalySettings(
    name="SpreadUnusual",
    ready_made_metrics=False,
    metrics={"load": "sum by (model) (desk_load)", "errors": "max by (model) (desk_errors)"},
    for_minutes=2,
    keep_firing_minutes=0,
    severity="critical",
    labels={"team": "rates"},
)
SETTINGS = AlertSettings(anomaly=[RULE], ready_made=False)


class Desk:
    """A workspace with an engine's scoring and evaluation, and a store that a test fills."""

    def __init__(self, workspace):
        self.workspace, self.clock = workspace, HandClock()
        self.chance = np.random.default_rng(4)
        self.writer = MetricWriter(workspace.metrics_file, self.clock, job="bondx-engine", instance="host")
        self.source = RecordedSource(workspace, self.clock)
        self.scoring = AnomalyScoring(workspace, self.source, self.clock)
        self.evaluation = RuleEvaluation(workspace, self.source, self.clock, monotonic=HandSeconds())

    def pass_minutes(self, n, *, errors=0.01, is_engine_running=True):
        """Let minutes pass, one scrape each."""
        from prometheus_client.core import GaugeMetricFamily

        for _ in range(n):
            self.clock.now += timedelta(minutes=1)
            hour = self.clock.now.hour + self.clock.now.minute / 60
            load = GaugeMetricFamily("desk_load", "", labels=("model",))
            load.add_metric(("spread",), 100 + 50 * np.sin(hour / 24 * 2 * np.pi) + self.chance.normal(0, 3))
            share = GaugeMetricFamily("desk_errors", "", labels=("model",))
            share.add_metric(("spread",), errors + self.chance.normal(0, 0.002))
            self.writer.record(self.clock.now, [load, share])
            if is_engine_running:
                self.step()

    def step(self):
        """Do what the worker does."""
        self.scoring.step(SETTINGS)
        self.evaluation.step(SETTINGS)

    def close(self):
        for each in (self.scoring, self.evaluation, self.source, self.writer):
            each.close()


@pytest.fixture
def desk(workspace):
    desk = Desk(workspace)
    yield desk
    desk.close()


def line_of(desk):
    (line,) = rule_lines(desk.workspace, SETTINGS)
    return line


def test_a_model_is_learnt_watched_and_its_strange_metric_named(desk):
    desk.pass_minutes(2 * 1440, is_engine_running=False)
    assert line_of(desk).note == "no model has been seen yet"
    desk.pass_minutes(3)
    assert line_of(desk).note.startswith("spread: watched, 2.0 days")
    assert Alerts(desk.workspace, clock=desk.clock).all() == []
    desk.pass_minutes(8, errors=0.5)
    (alert,) = Alerts(desk.workspace, clock=desk.clock).all()
    assert alert.state is AlertState.FIRING
    assert (alert.rule, str(alert.severity)) == ("SpreadUnusual", "critical")
    assert alert.labels == {"model": "spread", "severity": "critical", "team": "rates"}
    assert alert.summary.startswith("spread is unusual: errors (+")
    assert "load" not in alert.annotations["metrics"]
    assert line_of(desk).state == "firing"
    desk.pass_minutes(10)
    assert [alert.state for alert in Alerts(desk.workspace, clock=desk.clock).all()] == [AlertState.RESOLVED]


def test_without_enough_history_nothing_is_guessed_and_the_line_says_so(desk):
    desk.pass_minutes(300, is_engine_running=False)
    desk.pass_minutes(10, errors=0.9)
    assert Alerts(desk.workspace, clock=desk.clock).all() == []
    assert line_of(desk).note == "spread: not enough history, 0.2 days"


def test_a_model_that_is_gone_resolves_its_alert(desk):
    desk.pass_minutes(2 * 1440, is_engine_running=False)
    desk.pass_minutes(10, errors=0.5)
    assert [alert.state for alert in Alerts(desk.workspace, clock=desk.clock).all()] == [AlertState.FIRING]
    for _ in range(15):
        desk.clock.now += timedelta(minutes=1)
        desk.step()
    assert [alert.state for alert in Alerts(desk.workspace, clock=desk.clock).all()] == [AlertState.RESOLVED]


def test_the_replay_finds_what_was_injected(desk, capsys):
    desk.workspace.settings_file.write_text(
        "alerts:\n  anomaly:\n    - name: SpreadUnusual\n      ready_made_metrics: false\n      for_minutes: 2\n"
        "      metrics: {load: sum by (model) (desk_load), errors: max by (model) (desk_errors)}\n"
    )
    desk.pass_minutes(2 * 1440, is_engine_running=False)
    begin = desk.clock.now
    desk.pass_minutes(30, errors=0.5, is_engine_running=False)
    desk.pass_minutes(60, is_engine_running=False)
    end = desk.clock.now
    verb = ["alerts", "test", "--anomaly", "--replay", "3h", "--to", f"{end:%Y-%m-%dT%H:%M}", "--json"]
    assert main([*verb, "--workspace", str(desk.workspace.root)]) == 0
    import json

    (alert,) = json.loads(capsys.readouterr().out)
    assert alert["labels"]["model"] == "spread"
    (firing,) = alert["firings"]
    assert begin.isoformat()[:15] <= firing["from"] <= (begin + timedelta(minutes=12)).isoformat()


def test_a_metric_that_cannot_be_read_is_named_with_its_place_and_value(desk):
    odd = AnomalySettings(name="Odd", metrics={"load": "sum by ("})
    (line,) = rule_lines(desk.workspace, AlertSettings(anomaly=[odd], ready_made=False))
    assert line.state == "unusable"
    assert line.error.startswith("alerts.anomaly[0].metrics.load: 'sum by (': ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{name: 1a}", "alerts.anomaly[0].name"),
        ("{name: A, for_minutes: 0}", "alerts.anomaly[0].for_minutes"),
        ("{name: A, ready_made_metrics: false}", "has nothing to watch"),
        ("{name: A, labels: {model: x}}", "cannot have a label 'model'"),
        ("{name: A}, {name: A}", "two rules of anomaly have the name 'A'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_their_place(tmp_path, text, told):
    from core.settings import SettingsError, load_settings

    file = tmp_path / "bondx.yaml"
    file.write_text(f"alerts:\n  anomaly: [{text}]\n")
    with pytest.raises(SettingsError) as refused:
        load_settings(file)
    assert told in str(refused.value)
