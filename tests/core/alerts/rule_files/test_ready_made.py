"""The ready-made rules: a Prometheus takes them, each has its page, and their series exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from core.alerts import RULES
from core.alerts.ready_made import BUILT_IN_TWINS, READY_MADE_FILE
from core.alerts.rule_files import AlertingRule, load_rule_file

ROOT = Path(__file__).parents[4]


def rules() -> list[AlertingRule]:
    """Return the ready-made rules."""
    return [rule for rule in load_rule_file(READY_MADE_FILE).rules if isinstance(rule, AlertingRule)]


def test_every_condition_of_the_issue_has_its_rule():
    names = {rule.name for rule in rules()}
    assert len(names) == len(rules()) >= 14
    assert names >= {
        "PerformanceDrop", "HighDrift", "PredictionDrift", "EstimatedPerformanceDrop", "ErrorRateHigh", "LatencyHigh",
        "DataQualityLow", "ModelStale", "TrainingStalled", "GateFailed", "RolloutInconclusive", "CpuHigh",
        "MemoryHigh", "EngineSilent", "DiskHigh",
    }  # fmt: skip


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_rule_has_a_severity_and_texts_and_a_runbook(rule):
    assert rule.labels["severity"] in ("info", "warning", "critical")
    assert rule.annotations["summary"]
    assert rule.annotations["description"]
    page = ROOT / rule.annotations["runbook_url"]
    assert page.name == f"{rule.name}.md"
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == ["What it means", "What to check", "What to do", "How to undo it"]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_the_pages_quote_the_expression_of_the_rule(rule):
    page = (ROOT / rule.annotations["runbook_url"]).read_text(encoding="utf-8")
    assert f"```promql\n{rule.expression.text.strip()}\n```" in page
    assert f"`{' '.join(rule.expression.text.split())}`" in (ROOT / "docs" / "alerting.md").read_text(encoding="utf-8")


def test_twins_are_ready_made_rules_and_built_in_rules():
    assert set(BUILT_IN_TWINS) <= {rule.name for rule in rules()}
    assert set(BUILT_IN_TWINS.values()) <= set(RULES)


def test_twins_have_the_same_severity():
    severities = {rule.name: rule.labels["severity"] for rule in rules()}
    assert {name: severities[name] for name in BUILT_IN_TWINS} == {
        name: str(RULES[built_in].severity) for name, built_in in BUILT_IN_TWINS.items()
    }


def test_the_rules_for_prometheus_are_the_same_file():
    deployed = ROOT / "deploy" / "prometheus" / READY_MADE_FILE.name
    assert deployed.read_bytes() == READY_MADE_FILE.read_bytes()


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
def test_promtool_accepts_the_rules():
    done = subprocess.run(["promtool", "check", "rules", READY_MADE_FILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout
