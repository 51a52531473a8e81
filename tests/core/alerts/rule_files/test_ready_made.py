"""The ready-made rules: a Prometheus takes them, each has its page, and their series exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from core.alerts import RULES
from core.alerts.ready_made import BUILT_IN_TWINS, READY_MADE_FILE
from core.alerts.rule_files import AlertingRule, load_rule_file
from core.metrics.catalogue import CATALOGUE, HistogramMetric

ROOT = Path(__file__).parents[4]
BASELINES = re.compile(r"bondx_baseline_\w+")
"""The metrics with which each version was registered."""


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


def test_every_series_of_the_rules_is_in_the_catalogue():
    known = {metric.shown_name for metric in CATALOGUE}
    for metric in CATALOGUE:
        if isinstance(metric, HistogramMetric):
            known |= {f"{metric.shown_name}_{part}" for part in ("bucket", "count", "sum")}
    named = {name for rule in rules() for name in re.findall(r"\bbondx_\w+", rule.expression.text)}
    assert named
    assert {name for name in named if name not in known and not BASELINES.fullmatch(name)} == set()


def test_twins_are_ready_made_rules_and_built_in_rules():
    assert set(BUILT_IN_TWINS) <= {rule.name for rule in rules()}
    assert set(BUILT_IN_TWINS.values()) <= set(RULES)


def test_the_rules_for_prometheus_are_the_same_file():
    deployed = ROOT / "deploy" / "prometheus" / READY_MADE_FILE.name
    assert deployed.read_bytes() == READY_MADE_FILE.read_bytes()


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
def test_promtool_accepts_the_rules():
    done = subprocess.run(["promtool", "check", "rules", READY_MADE_FILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout
