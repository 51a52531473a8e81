"""The table of rules: at which value each fires, what reads that value, and that people can look each up."""

import math
import os
import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.alerts import RULES, Alerts, AlertState, AlertSubject, Condition
from core.alerts.rules import conditions_of
from core.monitoring.resources import ProcessSample, ResourceSample
from core.settings import AlertSettings
from core.state import Workspace

GUIDE = Path(__file__).parents[3] / "docs" / "guide.md"
T0 = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@pytest.fixture
def alerts(workspace: Workspace) -> Alerts:
    return Alerts(workspace, settings=AlertSettings())


LIMITS = [
    pytest.param("accuracy_low", 0.87, 0.88, "accuracy (mean attainment) is 87.0%, below 88.0%", id="accuracy"),
    pytest.param("quality_low", 0.899, 0.90, "data quality is 89.9%, below 90.0%", id="quality"),
    pytest.param("cpu_high", 93.0, 80.0, "CPU use of other programs at 93%, above 80%", id="CPU"),
    pytest.param("memory_high", 85.3, 85.0, "memory at 85.3%, above 85%", id="memory"),
    pytest.param("disk_high", 97.0, 90.0, "the workspace's disk at 97%, above 90%", id="disk"),
    pytest.param("training_stalled", 2.5, 2.0, "no epoch completed for 2.5 h, above 2.0 h", id="a stalled training"),
]


@pytest.mark.parametrize(("rule", "wrong", "limit", "summary"), LIMITS)
def test_every_condition_fires_beyond_its_limit_and_not_at_it(alerts, rule, wrong, limit, summary):
    for seconds in (0, 60, 120):
        assert alerts.observe(rule, labels={}, value=limit, now=at(seconds)) is None
    for seconds in (180, 240):
        alert = alerts.observe(rule, labels={}, value=wrong, now=at(seconds))
    assert alert.state is AlertState.FIRING
    assert (alert.summary, alert.value, alert.threshold) == (summary, wrong, limit)
    assert alert.advice
    assert alerts.open() == [alert]


def test_every_condition_is_in_the_table_of_limits():
    conditions = {rule.name for rule in RULES.values() if isinstance(rule, Condition)}
    assert conditions == {case.values[0] for case in LIMITS}


@dataclass(frozen=True, kw_only=True)
class Sample:
    foreign_cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None


@dataclass(frozen=True, kw_only=True)
class Epoch:
    score: float = 0.95
    quality_score: float = 0.99
    learned: bool = True
    text: None = None
    epoch: int = 6


@pytest.mark.parametrize(
    ("subject", "seen", "fired"),
    [
        pytest.param(AlertSubject.MACHINE, Sample(foreign_cpu_percent=81), {"cpu_high"}, id="a busy CPU"),
        pytest.param(
            AlertSubject.MACHINE, Sample(memory_percent=86, disk_percent=91), {"memory_high", "disk_high"}, id="two"
        ),
        pytest.param(AlertSubject.MACHINE, Sample(), set(), id="nothing was measured"),
        pytest.param(AlertSubject.EPOCH, Epoch(score=0.87), {"accuracy_low"}, id="a low score"),
        pytest.param(AlertSubject.EPOCH, Epoch(score=0.3, epoch=5), set(), id="a score that still rises"),
        pytest.param(AlertSubject.EPOCH, Epoch(score=0.0, learned=False), set(), id="a skipped epoch has no score"),
        pytest.param(AlertSubject.EPOCH, Epoch(quality_score=0.8, learned=False), {"quality_low"}, id="low quality"),
        pytest.param(AlertSubject.SESSION, 2.1, {"training_stalled"}, id="hours without progress"),
    ],
)
def test_each_rule_reads_its_value_from_its_subject(alerts, subject, seen, fired):
    for seconds in (0, 60):
        alerts.judge(subject, seen, labels={}, now=at(seconds))
    assert {alert.rule for alert in alerts.open()} == fired


@pytest.mark.parametrize("subject", AlertSubject)
def test_every_subject_has_rules(subject):
    assert conditions_of(subject)


def test_the_cpu_of_our_own_training_is_no_incident(alerts):
    own = {"trainer": ProcessSample(pid=1, cpu_percent=96.0 * (os.cpu_count() or 1), rss_bytes=1)}
    for seconds in (0, 60, 120):
        for processes, machine in ((own, "trains"), ({}, "compiles")):
            sample = a_sample(cpu_percent=97.0, processes=processes)
            alerts.judge(AlertSubject.MACHINE, sample, labels={"machine": machine}, now=at(seconds))
    assert [alert.labels["machine"] for alert in alerts.open()] == ["compiles"]


def a_sample(**known: object) -> ResourceSample:
    nothing = dict.fromkeys((each.name for each in fields(ResourceSample)), math.nan)
    return ResourceSample(**nothing | {"at": T0, "processes": {}} | known)


def test_rule_names_are_unique():
    from core.alerts.rules import machine, monitoring, retraining, rollouts, training, workspace

    assert len(RULES) == sum(
        len(module.RULES) for module in (machine, monitoring, retraining, rollouts, training, workspace)
    )


def test_the_guide_lists_every_rule_with_its_severity():
    told = dict(re.findall(r"^\| `(\w+)` \| (info|warning|critical) \|", GUIDE.read_text(), flags=re.MULTILINE))
    assert told == {rule.name: str(rule.severity) for rule in RULES.values()}
