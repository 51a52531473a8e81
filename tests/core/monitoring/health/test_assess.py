"""The health of a live version: every reason with its boundary, their order, and no verdict from too little data."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace as with_fields

from core.monitoring.documents import (
    DriftPart,
    EstimatePart,
    HealthState,
    LabelsPart,
    MonitoredColumn,
    MonitoredMetric,
    PerformancePart,
    TrafficPart,
)
from core.monitoring.health.assess import MOST_CHANGES, assess, with_history
from core.monitoring.health.facts import HealthFacts
from core.monitoring.health.serving import is_certainly_above
from core.monitoring.verdicts import DriftType, DriftVerdict, PerformanceVerdict
from core.settings.health import HealthPolicy

NOW = datetime(2026, 11, 27, 7, 0, tzinfo=UTC)
RULES = HealthPolicy()
TRAFFIC = TrafficPart(
    as_of=NOW, minutes=15, n_requests=1000, p50_ms=3.0, p95_ms=8.0, usual_p95_ms=8.0,
    last_at=NOW - timedelta(minutes=1), usual_gap_seconds=60.0,
)  # fmt: skip
DRIFT = DriftPart(as_of=NOW, verdict=DriftVerdict.STABLE, n_rows=1000)
WELL = HealthFacts(now=NOW, created_at=NOW - timedelta(days=10), traffic=TRAFFIC, drift=DRIFT)
HEALTHY, UNKNOWN, DEGRADED, FAILING = (
    HealthState.HEALTHY, HealthState.UNKNOWN, HealthState.DEGRADED, HealthState.FAILING,
)  # fmt: skip


def served(**changes):
    return replace(WELL, traffic=with_fields(TRAFFIC, **changes))


def column(verdict, *, kind=DriftType.FEATURE, name="sector", **known):
    return MonitoredColumn(name=name, type=kind, verdict=verdict, reason="levels moved", **known)


def drifted(*columns, verdict=DriftVerdict.ALARM):
    return replace(WELL, drift=with_fields(DRIFT, verdict=verdict, columns=columns))


def metric(verdict, value, reference=1.0, **known):
    return MonitoredMetric(metric="mae", value=value, reference=reference, verdict=verdict, **known)


def performed(verdict, *metrics, n_outcomes=500, **known):
    part = PerformancePart(as_of=NOW, verdict=verdict, n_outcomes=n_outcomes, metrics=metrics, **known)
    return replace(WELL, performance=part)


def labelled(verdict, value, asked_at=NOW, **known):
    part = LabelsPart(
        as_of=NOW, draw="spread@1.0.0/1", asked_at=asked_at, asked_by="ana", verdict=verdict, value=value, reference=1.0
    )
    return replace(WELL, labels=part, **known)


def estimated(verdict, *metrics, **known):
    return replace(WELL, estimate=EstimatePart(as_of=NOW, verdict=verdict, metrics=metrics), **known)


FELL, HOLDS, OPEN = PerformanceVerdict.FELL, PerformanceVerdict.HOLDS, PerformanceVerdict.OPEN
HELD_TODAY = performed(HOLDS, metric(HOLDS, 1.0), holds_today=True).performance
HELD_BEFORE = performed(HOLDS, metric(HOLDS, 1.0)).performance
ALARM, WATCH = DriftVerdict.ALARM, DriftVerdict.WATCH
STABLE, SHORT = DriftVerdict.STABLE, DriftVerdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("facts", "state", "source"),
    [
        pytest.param(WELL, HEALTHY, None, id="nothing is wrong"),
        pytest.param(replace(WELL, unserved="its files were changed"), FAILING, "serving", id="not loaded"),
        pytest.param(served(last_at=NOW - timedelta(minutes=15)), HEALTHY, None, id="quiet for as long as the window"),
        pytest.param(served(last_at=NOW - timedelta(minutes=16)), DEGRADED, "serving", id="silent beyond the window"),
        pytest.param(
            served(last_at=NOW - timedelta(hours=3), usual_gap_seconds=3600.0), HEALTHY, None, id="three usual gaps"
        ),
        pytest.param(
            served(last_at=NOW - timedelta(hours=3, minutes=1), usual_gap_seconds=3600.0), DEGRADED, "serving",
            id="more than three usual gaps",
        ),
        pytest.param(served(n_failed=10), HEALTHY, None, id="errors at the limit"),
        pytest.param(served(n_failed=26), HEALTHY, None, id="errors above the limit by no more than chance"),
        pytest.param(served(n_failed=27), DEGRADED, "errors", id="errors certainly above the limit"),
        pytest.param(served(n_failed=143), DEGRADED, "errors", id="errors not certainly above the failing limit"),
        pytest.param(served(n_failed=144), FAILING, "errors", id="errors certainly above the failing limit"),
        pytest.param(served(p95_ms=20.0), HEALTHY, None, id="latency at the floor"),
        pytest.param(served(p95_ms=20.1), DEGRADED, "latency", id="latency above the floor"),
        pytest.param(served(p95_ms=60.0, usual_p95_ms=30.0), HEALTHY, None, id="latency at twice the usual"),
        pytest.param(served(p95_ms=60.1, usual_p95_ms=30.0), DEGRADED, "latency", id="latency above twice the usual"),
        pytest.param(drifted(column(ALARM, importance=0.3)), DEGRADED, "drift", id="drift of a feature"),
        pytest.param(drifted(column(ALARM, kind=DriftType.PREDICTION)), DEGRADED, "drift", id="drift of the answers"),
        pytest.param(drifted(column(ALARM, kind=DriftType.RESIDUAL)), DEGRADED, "drift", id="drift of the errors"),
        pytest.param(drifted(column(WATCH, evidence=0.7), verdict=WATCH), HEALTHY, "drift", id="a watch is no alarm"),
        pytest.param(drifted(column(ALARM, kind=DriftType.QUALITY)), DEGRADED, "quality", id="data quality"),
        pytest.param(performed(HOLDS, metric(HOLDS, 1.0), holds_today=True), HEALTHY, None, id="performance holds"),
        pytest.param(performed(FELL, metric(FELL, 1.99)), DEGRADED, "performance", id="errors not doubled"),
        pytest.param(performed(FELL, metric(FELL, 2.0)), FAILING, "performance", id="errors doubled"),
        pytest.param(
            performed(HOLDS, metric(HOLDS, 1.0), worst_slice=metric(FELL, 5.0, slice="sector = Energy")),
            DEGRADED, "performance", id="performance fell on a slice",
        ),
        pytest.param(estimated(FELL, metric(FELL, 9.0)), DEGRADED, "estimate", id="an estimate never fails a version"),
        pytest.param(estimated(HOLDS, metric(HOLDS, 1.0)), HEALTHY, None, id="the estimate holds"),
        pytest.param(
            estimated(FELL, metric(FELL, 9.0), performance=HELD_TODAY), HEALTHY, None,
            id="outcomes overrule an estimate",
        ),
        pytest.param(
            estimated(FELL, metric(FELL, 9.0), performance=HELD_BEFORE), DEGRADED, "estimate",
            id="old outcomes do not overrule an estimate of today",
        ),
        pytest.param(labelled(FELL, 1.99), DEGRADED, "labels", id="a few outcomes prove a fall"),
        pytest.param(labelled(FELL, 2.0), FAILING, "labels", id="a few outcomes prove that errors doubled"),
        pytest.param(labelled(OPEN, 9.0), HEALTHY, None, id="a few outcomes prove nothing yet"),
        pytest.param(
            labelled(FELL, 9.0, performance=HELD_TODAY), HEALTHY, None, id="all outcomes overrule a few"
        ),
        pytest.param(
            labelled(FELL, 9.0, performance=HELD_BEFORE), FAILING, "labels",
            id="old outcomes do not overrule a few of today",
        ),
        pytest.param(
            labelled(HOLDS, 1.0, estimate=estimated(FELL, metric(FELL, 9.0)).estimate),
            HEALTHY, None, id="a few outcomes overrule an estimate",
        ),
        pytest.param(
            labelled(
                HOLDS, 1.0, asked_at=NOW - timedelta(days=2), estimate=estimated(FELL, metric(FELL, 9.0)).estimate
            ),
            DEGRADED, "estimate", id="a few outcomes of another day do not overrule an estimate",
        ),
        pytest.param(replace(WELL, created_at=NOW - timedelta(days=365)), HEALTHY, None, id="as old as allowed"),
        pytest.param(replace(WELL, created_at=NOW - timedelta(days=366)), DEGRADED, "staleness", id="older"),
    ],
)  # fmt: skip
def test_each_reason_begins_at_its_boundary(facts, state, source):
    found = assess(facts, RULES)
    assert found.state is state
    assert [reason.source for reason in found.reasons] == ([source] if source else [])


@pytest.mark.parametrize(
    ("facts", "missing"),
    [
        pytest.param(replace(WELL, traffic=None), "errors: no request has been recorded", id="never asked"),
        pytest.param(
            served(n_requests=49), "errors: 49 requests in 15 minutes, of 50 needed", id="asked too seldom lately"
        ),
        pytest.param(
            served(n_requests=0, p95_ms=None, last_at=NOW - timedelta(hours=1), usual_gap_seconds=None),
            "requests: none since 2026-11-27 06:00 UTC", id="quiet, and not known for long enough",
        ),
        pytest.param(
            replace(WELL, drift=None, no_profile="spread 1.0.0: it has no profile"),
            "drift: spread 1.0.0: it has no profile", id="without a profile",
        ),
        pytest.param(
            drifted(column(SHORT, name="size", n=90), column(STABLE), column(SHORT, name="late"), verdict=SHORT),
            "drift: 1 of 3 columns needs more rows to rule it out (size)", id="few rows",
        ),
        pytest.param(
            drifted(column(SHORT), verdict=SHORT), "drift: no row today or yesterday", id="rows of earlier days alone"
        ),
        pytest.param(
            replace(performed(OPEN, n_outcomes=20, n_needed=300), drift=None),
            "performance: 20 outcomes decide nothing yet, about 300 in all would settle it", id="few outcomes",
        ),
        pytest.param(
            replace(WELL, drift=None, writes_texts=True), "performance: no outcomes come for texts", id="texts",
        ),
        pytest.param(
            replace(WELL, drift=None, failures={"drift": "OSError: gone"}),
            "drift cannot be watched: OSError: gone", id="a watcher that fails",
        ),
    ],
)  # fmt: skip
def test_too_little_data_is_no_verdict_and_says_what_is_missing(facts, missing):
    found = assess(facts, RULES)
    assert found.state is UNKNOWN
    assert missing in found.missing


def test_certain_errors_decide_although_requests_are_few():
    assert assess(served(n_requests=12, n_failed=12), RULES).state is FAILING


def test_too_little_data_of_one_kind_does_not_hide_what_another_knows():
    facts = replace(served(n_requests=0), created_at=NOW - timedelta(days=400))
    assert assess(facts, RULES).state is DEGRADED


def test_a_limit_of_latency_in_the_policy_needs_no_usual_latency():
    rules = HealthPolicy(p95_ms=5.0)
    found = assess(served(usual_p95_ms=None), rules)
    assert found.reasons[0].text == "p95 latency 8 ms in 15 minutes, above 5 ms (the limit of the policy)"


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        pytest.param([STABLE, STABLE], HEALTHY, id="all stable"),
        pytest.param([STABLE, WATCH], HEALTHY, id="one on watch"),
        pytest.param([STABLE, SHORT], UNKNOWN, id="one too short of rows"),
        pytest.param([WATCH, SHORT], UNKNOWN, id="a watch makes up for no column"),
        pytest.param([ALARM, SHORT], DEGRADED, id="an alarm needs no other column"),
        pytest.param([], HEALTHY, id="no column beside the data quality"),
    ],
)
def test_the_health_follows_from_the_verdicts_on_the_columns(columns, state):
    found = assess(
        drifted(*(column(each, name=f"x{k}", n=90) for k, each in enumerate(columns)), verdict=STABLE), RULES
    )
    assert found.state is state


def test_columns_without_a_row_are_not_made_healthy_by_an_alarm_of_quality():
    found = assess(drifted(column(SHORT), column(ALARM, kind=DriftType.QUALITY)), RULES)
    assert "drift: no row today or yesterday" in found.missing


def test_a_moved_feature_that_carries_the_model_is_named_before_the_answers_that_follow_from_it():
    moved = (column(ALARM, kind=DriftType.PREDICTION), column(ALARM, name="size", importance=0.84))
    (reason,) = assess(drifted(*moved), RULES).reasons
    assert reason.text == "size: levels moved; 84% of the model, and 1 more"
    (reason,) = assess(drifted(moved[0], column(ALARM, name="zip", importance=0.02)), RULES).reasons
    assert reason.text == "predictions: levels moved, and 1 more"


def test_a_version_that_has_just_gone_live_says_so():
    facts = replace(WELL, traffic=None, live_since=NOW - timedelta(minutes=2))
    assert assess(facts, RULES).missing[0] == "it went live at 06:58 UTC"  # stored: an age would stand still
    assert "went live" not in assess(replace(facts, live_since=NOW - timedelta(minutes=15)), RULES).missing[0]


def test_no_version_is_stale_without_a_limit():
    assert (
        assess(replace(WELL, created_at=NOW - timedelta(days=9999)), HealthPolicy(max_age_days=None)).state is HEALTHY
    )


def test_reasons_come_in_the_order_of_their_weight_the_worst_state_first():
    facts = replace(
        drifted(column(ALARM, importance=0.9), column(WATCH, name="size", evidence=0.5)),
        unserved="its files were changed",
        created_at=NOW - timedelta(days=730),
        traffic=with_fields(TRAFFIC, n_failed=30, p95_ms=400.0),
    )
    found = assess(facts, RULES)
    assert [reason.source for reason in found.reasons] == ["serving", "latency", "drift", "errors", "staleness"]
    assert found.reasons[0].state is FAILING
    assert found.reasons[2].text == "sector: levels moved; 90% of the model"


def test_the_more_of_a_model_has_moved_the_heavier_the_reason():
    one = assess(drifted(column(ALARM, importance=0.1)), RULES).reasons[0]
    two = assess(drifted(column(ALARM, importance=0.1), column(ALARM, name="size", importance=0.4)), RULES).reasons[0]
    assert one.weight < two.weight
    assert two.text == "size: levels moved; 40% of the model, and 1 more"


def test_a_reason_says_since_when_a_column_moved():
    found = assess(drifted(column(ALARM, changed_at=NOW - timedelta(minutes=18))), RULES)
    assert found.reasons[0].text == "sector: levels moved, since 2026-11-27 06:42 UTC"


def test_errors_at_the_limit_are_rarely_taken_for_more():
    """At a share of 1 %, 1,000 requests have 27 failures or more in one of ten thousand windows at most."""
    from scipy.stats import binom

    first = next(k for k in range(1001) if is_certainly_above(k, 1000, 0.01))
    assert binom.sf(first - 1, 1000, 0.01) < 1e-4
    assert binom.sf(first - 1, 1000, 0.03) > 0.7


def test_health_says_since_when_and_how_it_changed():
    at, before = NOW, None
    for facts in (replace(WELL, traffic=None), WELL, WELL, served(n_failed=500)):
        before = with_history(before, assess(facts, RULES), at)
        at += timedelta(minutes=1)
    assert before.since == NOW + timedelta(minutes=3)
    assert [(change.at.minute, change.state) for change in before.changes] == [(0, UNKNOWN), (1, HEALTHY), (3, FAILING)]


def test_the_history_of_health_is_bounded():
    before = None
    for n in range(100):
        facts = WELL if n % 2 else served(n_failed=500)
        before = with_history(before, assess(facts, RULES), NOW + timedelta(minutes=n))
    assert len(before.changes) == MOST_CHANGES
