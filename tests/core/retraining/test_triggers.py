"""What is due, and why not now: pure judgement over policy and facts."""

from datetime import timedelta
from typing import Any

import pytest

from core.monitoring.documents import (
    DriftPart,
    EstimatePart,
    MonitoredColumn,
    MonitoredMetric,
    PerformancePart,
    VersionMonitoring,
)
from core.monitoring.verdicts import DriftType, DriftVerdict, PerformanceVerdict
from core.retraining.document import RetrainingMemory, TriggerKind
from core.retraining.triggers import ModelFacts, judge, schedule_key
from core.settings.retraining import Blackout, DriftTrigger, PerformanceTrigger, RetrainingPolicy
from tests.clocks import START

DAY = timedelta(days=1)


def column(name: str, verdict: DriftVerdict, importance: float, kind: DriftType = DriftType.FEATURE) -> MonitoredColumn:
    return MonitoredColumn(name=name, type=kind, verdict=verdict, reason="", importance=importance)


def drifted(*columns: MonitoredColumn) -> VersionMonitoring:
    drift = DriftPart(as_of=START, verdict=DriftVerdict.ALARM, columns=columns)
    return VersionMonitoring(version="1.0.0", role="stable", drift=drift)


def facts(**given: Any) -> ModelFacts:
    known = {"live": "1.0.0", "registered_at": START - 10 * DAY, "memory": RetrainingMemory(model="rents")}
    return ModelFacts(model="rents", **(known | given))


@pytest.mark.parametrize(
    ("columns", "due"),
    [
        pytest.param([column("area", DriftVerdict.ALARM, 0.6)], True, id="an important column in alarm"),
        pytest.param([column("floor", DriftVerdict.ALARM, 0.1)], False, id="an unimportant column in alarm"),
        pytest.param([column("area", DriftVerdict.WATCH, 0.6)], False, id="an important column on watch"),
        pytest.param(
            [column("floor", DriftVerdict.ALARM, 0.1), column("district", DriftVerdict.ALARM, 0.3)],
            True,
            id="columns that are important together",
        ),
        pytest.param(
            [column("prediction", DriftVerdict.ALARM, 0.0, DriftType.PREDICTION)], True, id="the answers themselves"
        ),
        pytest.param([], False, id="nothing has moved"),
    ],
)
def test_drift_is_weighed_by_importance(columns, due):
    policy = RetrainingPolicy(enabled=True, drift=DriftTrigger(importance_share=0.3))
    plan = judge(policy, facts(monitoring=drifted(*columns)), START)
    assert (plan.is_due, plan.starts) == (due, due)


@pytest.mark.parametrize(("shares", "share", "due"), [((0.25, 0.05), 40, True), ((0.1, 0.05), 25, False)])
def test_denied_columns_count_together_and_are_not_named(shares, share, due):
    moved = [
        MonitoredColumn(name=name, type=DriftType.FEATURE, verdict=DriftVerdict.ALARM, reason="moved", is_denied=True)
        for name in ("tax_id", "tax_class")
    ]
    alarm, watch = shares
    drift = DriftPart(
        as_of=START,
        verdict=DriftVerdict.ALARM,
        columns=(column("floor", DriftVerdict.ALARM, 0.15), *moved),
        denied_shares={DriftVerdict.ALARM: alarm, DriftVerdict.WATCH: watch},
    )
    policy = RetrainingPolicy(enabled=True, drift=DriftTrigger(importance_share=0.3))
    seen = VersionMonitoring(version="1.0.0", role="stable", drift=drift)
    plan = judge(policy, facts(monitoring=seen), START)
    assert plan.is_due is due
    (reading,) = [each for each in plan.triggers if each.trigger is TriggerKind.DRIFT]
    assert f"floor, (denied columns) moved, {share}% of the importance" in reading.reason


@pytest.mark.parametrize(("by", "due"), [("any", True), ("realised", False), ("estimated", True)])
def test_performance_falls_by_outcomes_or_by_their_estimate(by, due):
    seen = VersionMonitoring(
        version="1.0.0",
        role="stable",
        performance=PerformancePart(as_of=START, verdict=PerformanceVerdict.HOLDS),
        estimate=EstimatePart(as_of=START, verdict=PerformanceVerdict.FELL, reason="MAE 9, held out 6"),
    )
    policy = RetrainingPolicy(enabled=True, performance=PerformanceTrigger(by=by))
    assert judge(policy, facts(monitoring=seen), START).is_due is due


@pytest.mark.parametrize(
    ("metric", "value", "due"),
    [
        pytest.param("mae", {"reference": 6.0, "low": 6.2, "high": 9.0}, False, id="perhaps within the share"),
        pytest.param("mae", {"reference": 6.0, "low": 6.4, "high": 9.0}, True, id="certainly beyond it"),
        pytest.param(
            "auc", {"reference": 0.8, "low": 0.5, "high": 0.7, "higher_is_better": True}, True, id="higher is better"
        ),
        pytest.param("mae", {"reference": 6.0, "low": 9.0, "high": 9.5, "window": "hour"}, False, id="of one hour"),
    ],
)
def test_a_drop_must_be_certain(metric, value, due):
    part = PerformancePart(as_of=START, metrics=(MonitoredMetric(metric=metric, **value),))
    seen = VersionMonitoring(version="1.0.0", role="stable", performance=part)
    policy = RetrainingPolicy(enabled=True, performance=PerformanceTrigger(drop=0.05))
    assert judge(policy, facts(monitoring=seen), START).is_due is due


def test_a_new_schedule_has_missed_nothing_and_a_watched_one_what_came_while_no_engine_ran():
    policy = RetrainingPolicy(enabled=True, schedule="0 2 * * *")
    fresh = judge(policy, facts(), START)
    assert not fresh.is_due
    assert fresh.next_at == START.replace(hour=2) + DAY
    memory = RetrainingMemory(model="rents", schedule=schedule_key(policy), handled_until=START - 5 * DAY)
    assert judge(policy, facts(memory=memory), START).kind is TriggerKind.SCHEDULE
    other = RetrainingMemory(model="rents", schedule="0 3 * * * UTC", handled_until=START - 5 * DAY)
    assert not judge(policy, facts(memory=other), START).is_due


def test_all_triggers_may_be_needed():
    policy = RetrainingPolicy(enabled=True, combine="all", max_age_days=5, min_new_samples=100)
    assert not judge(policy, facts(n_new=99), START).is_due
    assert judge(policy, facts(n_new=100), START).is_due


@pytest.mark.parametrize(
    ("policy", "given", "said"),
    [
        pytest.param({"enabled": False}, {}, "not enabled", id="not enabled"),
        pytest.param({}, {"live": ""}, "no live version", id="no live version"),
        pytest.param({}, {"rollout": "ro-0001"}, "rollout ro-0001", id="a rollout"),
        pytest.param({}, {"started_at": (START - DAY / 2,)}, "cooldown until", id="cooldown"),
        pytest.param(
            {"cooldown_hours": 0}, {"started_at": (START - DAY / 2, START - DAY / 3)}, "2 of 2", id="too many a day"
        ),
        pytest.param({"min_samples": 500}, {"n_samples": 499}, "499 of 500", id="too few rows"),
        pytest.param({"blackouts": (Blackout(begins="08:00", ends="18:00"),)}, {}, "blackout until", id="blackout"),
    ],
)
def test_what_forbids_a_start_is_said(policy, given, said):
    rules = RetrainingPolicy(**({"enabled": True, "max_age_days": 5} | policy))
    plan = judge(rules, facts(**given), START)
    assert plan.is_due or not given.get("live", "1")
    assert not plan.starts
    assert any(said in blocker for blocker in plan.blockers)
