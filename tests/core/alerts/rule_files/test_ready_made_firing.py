"""Each ready-made rule fires on recorded series of the catalogue, and is silent on those of a healthy workspace."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from typing import NamedTuple

import pytest

from core.alerts.evaluation.replay import ReplaySpan, replay
from core.alerts.evaluation.source import RecordedSource
from core.alerts.limits import alert_limits
from core.alerts.ready_made import READY_MADE_FILE
from core.alerts.rule_files import AlertingRule, load_rule_file
from core.metrics import catalogue
from core.metrics.catalogue import CATALOGUE
from core.metrics.metric import CounterMetric, GaugeMetric, HistogramMetric
from core.promql.plan import Node, RangeSelector, Selector
from core.settings import AlertSettings
from core.telemetry.metrics import MetricWriter
from tests.clocks import HandClock

STEP_SECONDS = 15
OF_SCRAPES = frozenset({"job", "instance"})
FILE = load_rule_file(READY_MADE_FILE)
RULES = {rule.name: rule for rule in FILE.rules if isinstance(rule, AlertingRule)}
BY_NAME = {name: spec for spec in CATALOGUE for name in spec.stored_names}

Value = float | Callable[[float], float]
SPREAD = {"model": "spread", "version": "1.2.0"}
RUN = {"session": "s-0001"}
EDGE = {"replica": "replica-1", "host": "edge-1", "principal": "token:t-0001"}
ROLLOUT = {"model": "spread", "rollout": "ro-0001"}


class Course(NamedTuple):
    """A series: in a workspace that needs a person, and in a healthy one; a callable is given the seconds passed."""

    spec: GaugeMetric | CounterMetric | HistogramMetric
    labels: Mapping[str, str]
    sick: Value | None
    well: Value | None


def rises(per_second: float) -> Callable[[float], float]:
    """Return a counter."""
    return lambda seconds: per_second * seconds


def limit(name: str) -> Course:
    """Return a limit of the default settings."""
    value = alert_limits(AlertSettings())[name]
    return Course(catalogue.ALERT_LIMIT, {"name": name}, value, value)


def column(kind: str) -> dict[str, str]:
    """Return the labels of a monitored column."""
    return {**SPREAD, "type": kind, "feature": "sector"}


def measured(metric: str, source: str) -> dict[str, str]:
    """Return the labels of a metric of performance."""
    return {**SPREAD, "metric": metric, "source": source}


c = catalogue
ACCURACY = Course(c.BASELINES["accuracy"], SPREAD, 0.94, 0.94)
ANSWERED = Course(c.PREDICT_ROWS, SPREAD, rises(1.0), rises(1.0))
CASES: dict[str, list[Course]] = {
    "HighDrift": [
        Course(c.DRIFT_PSI, column("feature"), 0.26, 0.9),  # of few rows, PSI is large by chance
        Course(c.DRIFT_VERDICT, {**column("feature"), "verdict": "alarm"}, 1.0, None),
    ],
    "PredictionDrift": [
        Course(c.DRIFT_PSI, column("prediction"), 0.26, 0.9),
        Course(c.DRIFT_VERDICT, {**column("prediction"), "verdict": "alarm"}, 1.0, None),
    ],
    "DriftFound": [
        Course(c.DRIFT_VERDICT, {**column("feature"), "verdict": "alarm"}, 1.0, None),
        Course(c.DRIFT_VERDICT, {**column("feature"), "verdict": "stable"}, None, 1.0),
    ],
    "DriftBudgetSpent": [Course(c.DRIFT_BUDGET_LEFT, {}, -0.5, 0.0)],
    "PerformanceDrop": [ACCURACY, Course(c.PERFORMANCE, measured("accuracy", "outcomes"), 0.88, 0.90)],
    "ErrorGrew": [
        Course(c.BASELINES["mae"], SPREAD, 10.0, 10.0),
        Course(c.PERFORMANCE, measured("mae", "outcomes"), 12.1, 11.9),
    ],
    "EstimatedPerformanceDrop": [ACCURACY, Course(c.PERFORMANCE, measured("accuracy", "estimate"), 0.88, 0.90)],
    "PerformanceFell": [Course(c.MODEL_HEALTH_REASON, {**SPREAD, "source": "performance"}, 1.4, None)],
    "ModelFailing": [Course(c.MODEL_HEALTH, {**SPREAD, "state": "failing"}, 1.0, 0.0)],
    "ModelStale": [Course(c.MODEL_HEALTH_REASON, {**SPREAD, "source": "staleness"}, 1.1, None)],
    "ErrorRateHigh": [
        Course(c.PREDICT_FAILURES, SPREAD, rises(0.6), rises(0.4)),
        Course(c.PREDICT_SECONDS, SPREAD, rises(10.0), rises(10.0)),
    ],
    "LatencyHigh": [Course(c.PREDICT_SECONDS, {**SPREAD, "_slow": "0.1"}, rises(10.0), None)],
    "UnfamiliarValues": [
        ANSWERED,
        Course(c.PREDICT_UNFAMILIAR, {**SPREAD, "field": "sector"}, rises(0.11), rises(0.09)),
    ],
    "TextFacts": [  # of 720 texts in half an hour, five standard errors are 4.1 points
        Course(c.TEXT_FACTS, {**SPREAD, "agree": "yes"}, rises(0.352), rises(0.368)),
        Course(c.TEXT_FACTS, {**SPREAD, "agree": "no"}, rises(0.048), rises(0.032)),
    ],
    "ServerNotReady": [Course(c.READY, {}, 0.0, 1.0)],
    "VersionLoadFailed": [Course(c.VERSION_LOAD_FAILED, SPREAD, 1.0, None)],
    "ReplicaCutOff": [
        Course(c.REPLICA_CONTACT_AGE, {}, 140.0, 130.0),
        Course(c.REPLICA_CONTACT_LIMIT, {}, 135.0, 135.0),
    ],
    "ReplicaSilent": [
        Course(c.REPLICA_SEEN_AGE, EDGE, 140.0, 130.0),
        Course(c.REPLICA_SEEN_LIMIT, EDGE, 135.0, 135.0),
    ],
    "ReplicaBehind": [Course(c.REPLICA_BEHIND, EDGE, 901.0, 899.0)],
    "DataQualityLow": [Course(c.SESSION_QUALITY, RUN, 0.89, 0.90), limit("quality_min")],
    "GateFailed": [Course(c.SESSION_GATE_FAILED, {**RUN, "gate": "missing"}, 1.0, None)],
    "TrainingStalled": [
        Course(c.SESSION_PROGRESS_AT, RUN, HandClock().now.timestamp() - 7190, HandClock().now.timestamp()),
        Course(c.SESSION_PHASE, {**RUN, "phase": "running"}, 1.0, 1.0),
        limit("stalled_hours"),
    ],
    "RolloutInconclusive": [
        Course(
            c.ROLLOUT_PHASE,
            {**ROLLOUT, "candidate": "1.3.0", "strategy": "canary", "phase": "inconclusive"},
            1.0,
            None,
        ),
    ],
    "RolloutStuck": [Course(c.ROLLOUT_STUCK, ROLLOUT, 1.0, 0.0)],
    "CpuHigh": [
        Course(c.MACHINE_CPU, {"mode": "idle"}, rises(0.10), rises(0.10)),
        Course(c.MACHINE_CPU, {"mode": "iowait"}, rises(0.10), rises(0.10)),
        Course(c.MACHINE_CPU, {"mode": "user"}, rises(1.80), rises(1.80)),
        Course(c.ENGINE_CPU, {"role": "trainer"}, 0.18, 0.22),  # what the engine itself uses does not count
        Course(c.MACHINE_MEMORY_TOTAL, {}, 100.0, 100.0),
        limit("cpu_percent_max"),
    ],
    "MemoryHigh": [
        Course(c.MACHINE_MEMORY_USED, {}, 86.0, 84.0),
        Course(c.MACHINE_MEMORY_TOTAL, {}, 100.0, 100.0),
        limit("memory_percent_max"),
    ],
    "DiskHigh": [
        Course(c.MACHINE_DISK_USED, {}, 81.0, 79.0),
        Course(c.MACHINE_DISK_FREE, {}, 8.9, 8.9),  # of 100, so that 10 are kept for the system
        limit("disk_percent_max"),
    ],
    "DiskFilling": [Course(c.DISK_DAYS, {}, 6.9, 7.1), limit("disk_full_days")],
    "EngineSilent": [Course(c.ENGINE_UP, {}, 0.0, 1.0)],
    "RecordingDown": [Course(c.TELEMETRY_UP, {}, 0.0, 1.0), Course(c.LIVE_UP, {}, 1.0, 1.0)],
    "WorkspaceNotWritable": [Course(c.WORKSPACE_WRITABLE, {}, 0.0, 1.0)],
    "StateDamaged": [Course(c.STATE_PROBLEMS, {}, 1.0, 0.0)],
}


def families(courses: list[Course], seconds: float, *, is_sick: bool) -> Iterator:
    """Yield one scrape; the catalogue's own labels are used, so that a label which it lacks is an error."""
    for course in courses:
        value = course.sick if is_sick else course.well
        if value is None:
            continue
        number = value(seconds) if callable(value) else value
        family = course.spec.family()
        labels = [course.labels[name] for name in course.spec.labels]
        if isinstance(course.spec, HistogramMetric):
            fast = number * float(course.labels.get("_slow", "1"))
            family.add_metric(labels, [("0.1", fast), ("0.5", fast), ("1.0", number), ("+Inf", number)], number * 0.05)
        else:
            family.add_metric(labels, number)
        yield family


def firings(workspace, name: str, *, is_sick: bool) -> list[str]:
    """Record the courses of a rule for longer than its dwell, and return which alerts of any rule would have fired."""
    clock = HandClock()
    start, dwell = clock.now, RULES[name].for_.total_seconds()
    writer = MetricWriter(workspace.metrics_file, clock, job="bondx-engine", instance="desk")
    while (seconds := (clock.now - start).total_seconds()) <= dwell + 900:
        writer.record(clock.now, families(CASES[name], seconds, is_sick=is_sick))
        clock.now += timedelta(seconds=STEP_SECONDS)
    writer.close()
    span = ReplaySpan(*(round(at.timestamp() * 1000) for at in (start, clock.now)), STEP_SECONDS * 1000)
    with closing(RecordedSource(workspace, clock)) as source:
        return [alert.rule for alert in replay(FILE, source, span) if alert.firings]


def selectors(node: Node) -> Iterator[Selector | RangeSelector]:
    """Yield every selector of an expression."""
    if isinstance(node, Selector | RangeSelector):
        yield node
    for child in node.children:
        yield from selectors(child)


def test_the_table_has_every_rule():
    assert set(CASES) == set(RULES)
    assert len(RULES) == 32


@pytest.mark.parametrize("name", RULES)
def test_every_selector_of_a_rule_names_a_series_of_the_catalogue_and_its_labels(name):
    found = list(selectors(RULES[name].expression.root))
    assert found
    for selector in found:
        (named,) = (matcher for matcher in selector.matchers if matcher.name == "__name__")
        assert named.op == "="
        spec = BY_NAME[named.value]
        assert {matcher.name for matcher in selector.matchers} - {"__name__"} <= spec.stored_labels | OF_SCRAPES


@pytest.mark.parametrize("name", RULES)
def test_a_rule_fires_on_recorded_series(name, workspace):
    assert name in firings(workspace, name, is_sick=True)


@pytest.mark.parametrize("name", RULES)
def test_no_rule_fires_on_the_series_of_a_healthy_workspace(name, workspace):
    assert firings(workspace, name, is_sick=False) == []


@pytest.mark.parametrize("name", RULES)
def test_the_texts_of_a_rule_name_labels_that_its_series_have(name):
    rule: AlertingRule = RULES[name]
    known = OF_SCRAPES.union(*(BY_NAME[_name(each)].stored_labels for each in selectors(rule.expression.root)))
    texts = " ".join(rule.annotations.values())
    assert set(re.findall(r"\$labels\.(\w+)", texts)) <= known


def _name(selector: Selector | RangeSelector) -> str:
    return next(matcher.value for matcher in selector.matchers if matcher.name == "__name__")
