"""`bondx alerts check|rules|eval|test`."""

import json
from datetime import timedelta

import pytest
from prometheus_client.core import GaugeMetricFamily

from console.cli.main import main
from core.actor import Actor
from core.alerts import Alerts
from core.alerts.evaluation.evaluation import RuleEvaluation
from core.alerts.evaluation.source import RecordedSource
from core.clock import utc_now
from core.settings import AlertSettings
from core.state import Workspace
from core.telemetry.metrics import MetricWriter

RULES = """\
groups:
  - name: drift
    rules:
      - alert: Moved
        expr: bondx_drift_psi > 0.25
        for: 1m
        labels: {severity: critical}
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Make a workspace with an hour of series: m1 is high for 10 minutes, m2 never."""
    root = tmp_path / "workspace"
    monkeypatch.setenv("BONDX_HOME", str(root))
    assert main(["init"]) == 0
    workspace = Workspace(root)
    (root / "a.yaml").write_text(RULES)
    now = utc_now()
    writer = MetricWriter(workspace.metrics_file, job="bondx-engine", instance="host")
    for step in range(241):
        minutes_ago = 60 - step / 4
        family = GaugeMetricFamily("bondx_drift_psi", "", labels=("model",))
        family.add_metric(("m1",), 0.4 if 20 <= minutes_ago <= 30 else 0.1)
        family.add_metric(("m2",), 0.1)
        writer.record(now - timedelta(minutes=minutes_ago), [family])
    writer.close()
    return root


def test_check_prints_every_fault_with_its_place_and_exits_with_2(root, capsys):
    assert main(["alerts", "check", str(root / "a.yaml")]) == 0
    assert "1 rule, no faults" in capsys.readouterr().out
    (root / "b.yaml").write_text(RULES.replace("1m", "x").replace("> 0.25", ">"))
    assert main(["alerts", "check", str(root / "a.yaml"), str(root / "b.yaml")]) == 2
    told = capsys.readouterr().err
    assert "b.yaml, line 5, column 9" in told
    assert "b.yaml, line 6, column 9" in told
    assert main(["alerts", "check", "--json", str(root / "b.yaml")]) == 2
    (result,) = json.loads(capsys.readouterr().out)
    assert len(result["faults"]) == 2


def test_rules_shows_state_last_evaluation_and_errors(root, capsys):
    settings = "alerts:\n  rules: [a.yaml]\n"
    (root / "bondx.yaml").write_text(settings)
    workspace = Workspace(root)
    evaluation = RuleEvaluation(workspace, RecordedSource(workspace), utc_now)
    evaluation.step(AlertSettings(rules=["a.yaml"]))
    evaluation.close()
    assert main(["alerts", "rules", "--json"]) == 0
    lines = {line["rule"]: line for line in json.loads(capsys.readouterr().out)}
    assert lines["Moved"]["state"] == "inactive"
    assert lines["Moved"]["for"] == "1m"
    assert lines["Moved"]["evaluated_at"]
    assert (lines["CpuHigh"]["state"], lines["CpuHigh"]["built_in"]) == ("built-in", "cpu_high")
    (root / "bondx.yaml").write_text("alerts:\n  rules: [none.yaml]\n")
    assert main(["alerts", "rules"]) == 1
    assert "none.yaml" in capsys.readouterr().out


def test_eval_prints_the_values_of_an_expression_now_and_then(root, capsys):
    assert main(["alerts", "eval", "max by (model) (bondx_drift_psi)", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"labels": {"model": "m1"}, "value": 0.1, "text": "0.1"},
        {"labels": {"model": "m2"}, "value": 0.1, "text": "0.1"},
    ]
    at = (utc_now() - timedelta(minutes=25)).strftime("%Y-%m-%dT%H:%M:%S")
    assert main(["alerts", "eval", "bondx_drift_psi > 0.25", "--at", at]) == 0
    assert "model=m1" in capsys.readouterr().out
    assert main(["alerts", "eval", "bondx_drift_psi >"]) == 2
    assert main(["alerts", "eval", "bondx_drift_psi > 9"]) == 0
    assert "no series" in capsys.readouterr().out


def test_eval_of_a_metric_that_nobody_knows_names_the_nearest(root, capsys):
    assert main(["alerts", "eval", "rate(bondx_drift_ps[5m])"]) == 2
    assert "No metric 'bondx_drift_ps' is known: did you mean bondx_drift_psi" in capsys.readouterr().err
    assert main(["alerts", "eval", "zzz > 0"]) == 2
    assert "docs/metrics.md lists all" in capsys.readouterr().err
    assert main(["alerts", "eval", "absent(zzz)"]) == 0, "that it is absent is a result"


def test_rules_and_list_agree_on_what_was_resolved_by_hand_and_say_since_when_nothing_is_evaluated(root, capsys):
    (root / "bondx.yaml").write_text("alerts:\n  rules: [a.yaml]\n")
    (root / "a.yaml").write_text(RULES.replace("> 0.25", "> 0").replace("1m", "0s"))
    workspace = Workspace(root)
    evaluation = RuleEvaluation(workspace, RecordedSource(workspace), utc_now)
    evaluation.step(AlertSettings(rules=["a.yaml"]))

    def moved():
        assert main(["alerts", "rules", "--json"]) == 0
        (line,) = [line for line in json.loads(capsys.readouterr().out) if line["rule"] == "Moved"]
        return line["state"], line["n_firing"], line["n_resolved"]

    assert moved() == ("firing", 2, 0)
    first, second = [alert.fingerprint for alert in Alerts(workspace).open()]
    assert main(["alerts", "resolve", first]) == 0
    capsys.readouterr()
    assert moved() == ("firing", 1, 1)
    assert main(["alerts", "resolve", second]) == 0
    capsys.readouterr()
    assert moved() == ("resolved", 0, 2)
    evaluation.step(AlertSettings(rules=["a.yaml"]))
    evaluation.close()
    assert main(["alerts", "rules"]) == 0
    told = capsys.readouterr()
    assert "2 alerts resolved by hand" in told.out
    assert "no engine is running, so nothing is evaluated" in told.err


def test_test_replays_a_file_and_varies_it(root, capsys):
    file = str(root / "a.yaml")
    assert main(["alerts", "test", file, "--replay", "1h"]) == 0
    told = capsys.readouterr().out
    assert "#" in told.splitlines()[1]
    assert "model=m1" in told
    assert "model=m2" not in told

    assert main(["alerts", "test", file, "--replay", "1h", "--json"]) == 0
    (alert,) = json.loads(capsys.readouterr().out)
    (firing,) = alert["firings"]
    assert alert["rule"] == "Moved"
    assert firing["until"]

    assert main(["alerts", "test", file, "--replay", "1h", "--vary", "for=1m,20m", "--vary", "threshold=0.5"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 5
    assert main(["alerts", "test", file, "--vary", "speed=1"]) == 2


def test_a_variant_names_the_recorded_incidents_that_it_misses(root, capsys):
    workspace = Workspace(root)
    at = utc_now() - timedelta(minutes=25)
    Alerts(workspace).fire("drift_found", labels={"model": "m1"}, summary="moved", now=at, actor=Actor.engine())
    (root / "a.yaml").write_text(RULES.replace("Moved", "DriftFound"))
    vary = ["alerts", "test", str(root / "a.yaml"), "--replay", "1h", "--vary", "for=20m", "--json"]
    assert main(vary) == 0
    usual, long = json.loads(capsys.readouterr().out)
    assert usual["missed"] == []
    assert usual["n_firings"] == 1
    assert long["n_firings"] == 0
    assert "drift_found{model=m1}" in long["missed"][0]
